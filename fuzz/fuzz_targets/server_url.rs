#![no_main]
transire_fuzz::target!("server_url");
