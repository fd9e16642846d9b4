#![no_main]
transire_fuzz::target!("names");
