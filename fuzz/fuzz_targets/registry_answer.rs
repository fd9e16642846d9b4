#![no_main]
transire_fuzz::target!("registry_answer");
