//! The consequences of operations on keys and CAs.

use super::{Asked, say, sentences};
use crate::admin::keys::RotateSigningKey;
use crate::domain::Result;
use crate::service::{KeyInfo, KeyKind, KeyState, PrivatePart};
use crate::views::Consequence;

/// Returns the consequences of an operation on keys; none for another operation.
///
/// # Errors
/// Those of the list of keys.
pub(super) async fn foresee(asked: &Asked<'_>, operation: &str) -> Result<Vec<Consequence>> {
    let times = asked.service.keys.foresee(asked.call.now);
    Ok(match operation {
        "RotateSigningKey" => rotate_signing(asked).await?,
        "RotateSealingKey" => vec![
            say(sentences::SEALING_KEY, [times.used_from.rfc3339()]),
            say(sentences::SEALING_KEY_OLD, []),
        ],
        "RotateCa" | "ImportCa" => {
            vec![say(sentences::CA_NEXT, []), say(sentences::CA_RESTART, [])]
        }
        "ActivateCa" => {
            let mut said = Vec::new();
            for ca in cas(asked).await? {
                match ca.state {
                    KeyState::Next => said.insert(0, say(sentences::CA_ACTIVE, [ca.id])),
                    KeyState::InUse => {
                        let from = times.ca_retired_from.rfc3339();
                        said.push(say(sentences::CA_RETIRED_FROM, [ca.id, from]));
                    }
                    KeyState::Old | KeyState::WaitingForCertificate => {}
                }
            }
            said
        }
        "CancelCa" => of_cas(asked, KeyState::Next, sentences::CA_CANCELLED).await?,
        "RetireCa" => of_cas(asked, KeyState::Old, sentences::CA_RETIRED).await?,
        "RotateInstanceKey" => vec![say(sentences::INSTANCE_KEY_NEXT, [])],
        "ActivateInstanceKey" => vec![say(sentences::INSTANCE_KEY_ACTIVE, [])],
        "CancelInstanceKey" => vec![say(sentences::INSTANCE_KEY_CANCELLED, [])],
        _ => Vec::new(),
    })
}

async fn cas(asked: &Asked<'_>) -> Result<Vec<KeyInfo>> {
    let mut keys = asked.service.keys.keys(asked.call).await?;
    keys.retain(|key| key.kind == KeyKind::Ca);
    Ok(keys)
}

/// Says the same of each CA in a state.
async fn of_cas(asked: &Asked<'_>, state: KeyState, pattern: &str) -> Result<Vec<Consequence>> {
    let cas = cas(asked).await?.into_iter();
    let cas = cas.filter(|ca| ca.state == state);
    Ok(cas.map(|ca| say(pattern, [ca.id])).collect())
}

async fn rotate_signing(asked: &Asked<'_>) -> Result<Vec<Consequence>> {
    let algorithm = asked.fields::<RotateSigningKey>()?.algorithm.0;
    let times = asked.service.keys.foresee(asked.call.now);
    let keys = asked.service.keys.keys(asked.call).await?;
    let is_elsewhere = keys.iter().any(|key| {
        let is_ca = key.kind == KeyKind::Ca && key.state == KeyState::InUse;
        is_ca && key.private == PrivatePart::Elsewhere
    });
    let find = |state: KeyState| {
        let mut all = keys.iter();
        all.find(|key| {
            let is_shared = key.instance.is_none();
            is_shared && key.kind == KeyKind::Signing(algorithm) && key.state == state
        })
    };
    if is_elsewhere {
        return Ok(vec![match find(KeyState::WaitingForCertificate) {
            Some(key) => say(sentences::SIGNING_KEY_WAITED_FOR, [key.id.clone()]),
            None => say(sentences::SIGNING_KEY_WAITS, []),
        }]);
    }
    let mut said = vec![say(sentences::SIGNING_KEY, [times.used_from.rfc3339()])];
    if let Some(key) = find(KeyState::InUse) {
        let until = times.old_until.rfc3339();
        said.push(say(sentences::SIGNING_KEY_OLD, [key.id.clone(), until]));
    }
    said.push(say(sentences::SIGNING_KEY_TRUST, []));
    Ok(said)
}
