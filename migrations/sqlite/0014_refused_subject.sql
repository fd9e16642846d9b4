-- Subjects of OpenID Connect issuers that an account refuses, whatever its trust policies say. They outlast the provider.
-- The same table and columns as migrations/postgres/0014_refused_subject.sql.

CREATE TABLE refused_subject (
    account_id INTEGER NOT NULL REFERENCES account (id),
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    refused_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, issuer, subject)
) STRICT;
