#![no_main]
transire_fuzz::target!("tencent_v1");
