//! x
#[cfg(test)]
mod t { #[test] fn a(){ println!("{:?}", std::collections::HashMap::<u8,u8>::new()); } }
