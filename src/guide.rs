//! How to build on this crate, one question after the other.
//!
//! Each section stands by itself. Whole programs to copy are in the repository's `examples` folder,
//! and every snippet here is compiled and run by the tests.
//!
#![doc = include_str!("../docs/guide/server.md")]
//!
#![doc = include_str!("../docs/guide/client.md")]
//!
#![doc = include_str!("../docs/guide/reconnecting.md")]
//!
#![doc = include_str!("../docs/guide/streams.md")]
//!
#![doc = include_str!("../docs/guide/typed.md")]
//!
#![doc = include_str!("../docs/guide/fast.md")]
//!
#![doc = include_str!("../docs/guide/shutdown.md")]
//!
#![doc = include_str!("../docs/guide/security.md")]
//!
#![doc = include_str!("../docs/guide/errors.md")]
//!
#![doc = include_str!("../docs/guide/testing.md")]
//!
#![doc = include_str!("../docs/guide/systems.md")]
//!
#![doc = include_str!("../docs/guide/beyond.md")]
//!
#![doc = include_str!("../docs/guide/elsewhere.md")]
