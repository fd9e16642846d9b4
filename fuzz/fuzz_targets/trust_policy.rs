#![no_main]
transire_fuzz::target!("trust_policy");
