//! PostgreSQL.
use super::row::{Row, Statement, Value};
use super::write::Steps;
use super::{Answer, Driver, Open};
use crate::domain::clock::{Clock, Random};
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
pub(super) struct Postgres;
impl Postgres {
    pub(super) async fn open(_: &Secret, _: usize, _: Open, _: &dyn Clock, _: &dyn Random) -> Result<Self> {
        Err(Error::misconfigured("PostgreSQL is not supported yet"))
    }
}
impl Driver for Postgres {
    fn query(&self, _: Statement, _: Vec<Value>) -> Answer<'_, Vec<Row>> {
        Box::pin(async { Err(Error::unsupported("")) })
    }
    fn apply(&self, _: Steps) -> Answer<'_, ()> {
        Box::pin(async { Err(Error::unsupported("")) })
    }
    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async { Err(Error::unsupported("")) })
    }
}
