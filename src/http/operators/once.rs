//! Requests that make one thing, however often they come.

use serde_json::Value;

use crate::admin::{Given, Route};
use crate::domain::{ErrorKind, Result};
use crate::service::{Caller, RequestContext, Service};

/// Makes a thing under a key. A repetition is answered with what is there, without its secret.
///
/// # Errors
/// Those of the operation; `Replayed` for a key that came with another request.
pub(crate) async fn make(
    route: &'static Route,
    caller: Caller,
    fields: Given,
    key: &str,
    service: &Service,
    context: &RequestContext,
) -> Result<Value> {
    let request = asked(route, &fields);
    let caller = caller.making_once(key, &request, service.base.now());
    let call = service.call(&caller, context);
    match (route.run)(service, &call, fields.clone()).await {
        Err(error) if *error.kind() == ErrorKind::Replayed => {}
        made => return made,
    }
    let before = service.access.made_before(&caller).await?;
    let mut answer = (route.repeat)(service, &call, fields, before).await?;
    if let Value::Object(fields) = &mut answer {
        fields.insert("replayed".to_owned(), true.into());
    }
    Ok(answer)
}

/// Returns all that a request asks for, as one text.
fn asked(route: &Route, fields: &Given) -> String {
    serde_json::json!([route.audited_as, fields.pairs, fields.body]).to_string()
}
