//! The view of a registry's files.

view! {
    /// A file that a registry reads.
    pub struct RegistryFile {
        /// Its absolute path.
        path: String,
        /// Its contents.
        text: String,
    }
}

view! {
    /// The files with which a registry trusts an instance's tokens.
    pub struct RegistryFiles {
        /// The configuration.
        config: RegistryFile,
        /// The certificates, or the key, that the registry trusts.
        trusted: RegistryFile,
        /// The URL to which the registry sends its clients for a token.
        realm: String,
        /// The audience that it requires of tokens.
        service: String,
        /// The issuer that it requires of tokens.
        issuer: String,
        /// The steps that are left to do.
        warnings: Vec<String>,
    }
}
