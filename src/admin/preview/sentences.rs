//! The sentences of previews, with places for the facts.

/// Declares sentences, and the list of all.
macro_rules! sentences {
    ($($name:ident = $text:literal;)+) => {
        $(pub(super) const $name: &str = $text;)+

        /// The sentences of previews, with places such as `{0}` for the facts.
        pub const CONSEQUENCES: &[&str] = &[$($text),+];
    };
}

sentences! {
    SIGNING_KEY = "The new key is published at once, and signs from {0} on.";
    SIGNING_KEY_WAITS = "The CA is kept elsewhere: the new key signs once its certificate was \
                         imported.";
    SIGNING_KEY_WAITED_FOR = "No key is made: the key {0} waits for its certificate already.";
    SIGNING_KEY_OLD = "The key {0} stays published until {1}, so the tokens that it signed stay \
                       good until they expire.";
    SIGNING_KEY_TRUST = "Registries trust the new key by the CA: none has to be restarted.";
    SEALING_KEY = "The new key seals credentials from {0} on.";
    SEALING_KEY_OLD = "The older keys are kept: the credentials that they sealed stay good.";
    CA_NEXT = "The next CA comes into the bundle. Nothing is signed under it until you activate \
               it.";
    CA_RESTART = "Give every registry the new bundle and restart it before you activate the next \
                  CA.";
    CA_ACTIVE = "Tokens have certificates of the CA {0} at once. A registry that wasn't restarted \
                 with the new bundle refuses every token.";
    CA_RETIRED_FROM = "The CA {0} stays in the bundle; it can be retired from {1} on.";
    CA_CANCELLED = "The next CA {0} leaves the bundle. The one in use stays as it is.";
    CA_RETIRED = "The CA {0} leaves the bundle. Registries drop it at their next restart with the \
                  new bundle.";
    INSTANCE_KEY_NEXT = "The present key signs until you activate the next one.";
    INSTANCE_KEY_ACTIVE = "The next key signs at once. The registry refuses every token until it \
                           is restarted with that key.";
    INSTANCE_KEY_CANCELLED = "The next key is dropped. The present one signs as before.";
    USER_DELETED = "Its active access keys ({0}) and long-term credentials ({1}) are deleted, and \
                    refused at once.";
    USER_DISABLED = "Its active access keys ({0}) and long-term credentials ({1}) are refused at \
                     once, until the user is enabled.";
    TEMPORARY_END = "Temporary credentials and sessions that it obtained are refused at once, and \
                     never work again.";
    TOKENS_LAST = "Registry tokens that clients hold already last until they expire, at {0} at the \
                   latest.";
    MADE_STAY = "The service accounts that it made ({0}) keep working.";
    MADE_STOP = "The service accounts that it made ({0}) are disabled.";
    KEY_REFUSED = "Calls that the key signs are refused at once.";
    LAST_USED = "It was last used in the hour from {0} on.";
    NEVER_USED = "It was never used, as far as is recorded.";
    LOG_INS_REFUSED = "Log-ins with it are refused at once.";
    NEW_ONES = "It may obtain new ones: disable the principal to prevent that.";
    SECRET_GRACE = "The present secret is accepted, too, until {0}.";
    SECRET_ENDS = "The present secret is refused at once.";
    OLDER_ENDS = "The secret before it was to be accepted until {0}, and is refused at once.";
    OPERATOR_REFUSED = "Its token and its sessions in the console are refused at once.";
    ROLE_DELETED = "Its sessions, and the credentials that they obtained, are refused at once.";
    GROUP_DELETED = "Its users ({0}) lose the policies that are attached to the group.";
    INSTANCE_CONTENTS = "It has {0} namespaces, {1} long-term credentials and {2} service \
                         accounts.";
    INSTANCE_KEPT = "It isn't deleted while it has any, unless you delete them with it.";
    INSTANCE_DELETED = "Log-ins at it are refused at once. Images stay in the registry.";
    NAMESPACE_CONTENTS = "It has {0} recorded repositories. Images stay in the registry.";
    LIFECYCLE_RUN = "Images that are deleted from the registry, each with all of its tags: {0}.";
    NAMESPACE_FORGOTTEN = "Service accounts lose their permissions in it.";
}
