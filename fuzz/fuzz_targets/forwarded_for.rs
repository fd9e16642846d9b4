#![no_main]
transire_fuzz::target!("forwarded_for");
