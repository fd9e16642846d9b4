#![no_main]
transire_fuzz::target!("sigv4");
