#![no_main]
transire_fuzz::target!("acs3");
