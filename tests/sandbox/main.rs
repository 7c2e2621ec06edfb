//! The pretend providers.

fn main() {}
