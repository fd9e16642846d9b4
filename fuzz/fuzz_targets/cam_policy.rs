#![no_main]
transire_fuzz::target!("cam_policy");
