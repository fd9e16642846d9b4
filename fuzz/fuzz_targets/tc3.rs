#![no_main]
transire_fuzz::target!("tc3");
