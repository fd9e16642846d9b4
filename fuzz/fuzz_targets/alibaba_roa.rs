#![no_main]
transire_fuzz::target!("alibaba_roa");
