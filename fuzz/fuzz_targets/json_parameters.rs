#![no_main]
transire_fuzz::target!("json_parameters");
