#![no_main]
transire_fuzz::target!("ram_policy");
