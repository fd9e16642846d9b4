-- Subjects of OpenID Connect issuers that an account refuses, whatever its trust policies say. They outlast the provider.
-- The same table and columns as migrations/sqlite/0014_refused_subject.sql.

CREATE TABLE refused_subject (
    account_id BIGINT NOT NULL REFERENCES account (id),
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    refused_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, issuer, subject)
);
