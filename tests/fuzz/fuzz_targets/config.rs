#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| liwatch_fuzz::check("config", bytes));
