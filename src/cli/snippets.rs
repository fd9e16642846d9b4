//! Snippets: how each client logs in with a secret that was just made.

/// A registry, and what logs in to it.
pub(super) struct Snippets<'a> {
    pub(super) registry: &'a str,
    pub(super) username: &'a str,
    pub(super) secret: &'a str,
}

impl Snippets<'_> {
    /// Returns all of them. Nothing in a username or a secret of this service ends a text in single
    /// or double quotes.
    pub(super) fn text(&self) -> String {
        let Self {
            registry,
            username,
            secret,
        } = self;
        format!(
            "\n# docker, podman\n\
             printf %s '{secret}' | docker login '{registry}' --username '{username}' \
             --password-stdin\n\
             \n# skopeo\n\
             printf %s '{secret}' | skopeo login '{registry}' --username '{username}' \
             --password-stdin\n\
             \n# Kubernetes, for imagePullSecrets\n\
             kubectl create secret docker-registry registry-credential \
             --docker-server='{registry}' --docker-username='{username}' \
             --docker-password='{secret}'\n\
             \n# k3s and RKE2: /etc/rancher/k3s/registries.yaml\n\
             configs:\n  \"{registry}\":\n    auth:\n      username: \"{username}\"\n      \
             password: \"{secret}\"\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_and_a_yaml_file_take_the_dollar_of_a_service_account_as_it_is() {
        let text = Snippets {
            registry: "registry.example.com",
            username: "tcr$robot",
            secret: "trsaEXAMPLE",
        }
        .text();
        assert!(text.contains(
            "printf %s 'trsaEXAMPLE' | docker login 'registry.example.com' --username 'tcr$robot' \
             --password-stdin\n"
        ));
        assert!(text.contains(
            "  \"registry.example.com\":\n    auth:\n      username: \"tcr$robot\"\n      \
             password: \"trsaEXAMPLE\"\n"
        ));
    }
}
