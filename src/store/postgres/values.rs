//! Values as PostgreSQL's protocol has them.

use std::error::Error as StdError;
use std::sync::Arc;

use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::domain::{Error, Result};
use crate::store::row::{Row, Statement, Value};

pub(super) fn borrowed(parameters: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    parameters
        .iter()
        .map(|parameter| parameter as &(dyn ToSql + Sync))
        .collect()
}

/// Returns values with their types; of none, the server finds out.
pub(super) fn typed(parameters: &[Value]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    let typed = |parameter| {
        let ty = match parameter {
            &Value::Null => Type::UNKNOWN,
            Value::Integer(_) => Type::INT8,
            Value::Text(_) => Type::TEXT,
            Value::Bytes(_) => Type::BYTEA,
        };
        (parameter as &(dyn ToSql + Sync), ty)
    };
    parameters.iter().map(typed).collect()
}

pub(super) fn converted(statement: Statement, rows: &[tokio_postgres::Row]) -> Result<Vec<Row>> {
    let Some(first) = rows.first() else {
        return Ok(Vec::new());
    };
    let columns: Arc<[String]> = first
        .columns()
        .iter()
        .map(|column| column.name().to_owned())
        .collect();
    let convert = |row: &tokio_postgres::Row| {
        let values = (0..row.len())
            .map(|index| value(row, index))
            .collect::<Result<_, _>>()?;
        Ok(Row::new(statement.table, Arc::clone(&columns), values))
    };
    rows.iter()
        .map(convert)
        .collect::<Result<_, tokio_postgres::Error>>()
        .map_err(Error::internal)
}

pub(super) fn value(
    row: &tokio_postgres::Row,
    index: usize,
) -> Result<Value, tokio_postgres::Error> {
    Ok(match *row.columns()[index].type_() {
        Type::BYTEA => row
            .try_get::<_, Option<Vec<u8>>>(index)?
            .map_or(Value::Null, Value::Bytes),
        Type::TEXT => row.try_get::<_, Option<String>>(index)?.into(),
        _ => row.try_get::<_, Option<i64>>(index)?.into(),
    })
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql_checked(ty, out),
            Self::Text(text) => text.to_sql_checked(ty, out),
            Self::Bytes(bytes) => bytes.to_sql_checked(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Which types a value is accepted for depends on the value.
        true
    }

    to_sql_checked!();
}
