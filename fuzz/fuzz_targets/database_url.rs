#![no_main]
transire_fuzz::target!("database_url");
