#![no_main]
transire_fuzz::target!("flat_parameters");
