#![doc = include_str!("../docs/peers.md")]
//!
//! # NpipesFrames.cs
//!
//! ```csharp
#![doc = include_str!("../tests/interop/peers/NpipesFrames.cs")]
//! ```
//!
//! # npipes_frames.js
//!
//! ```js
#![doc = include_str!("../tests/interop/peers/npipes_frames.js")]
//! ```
//!
//! # npipes_frames.py
//!
//! ```python
#![doc = include_str!("../tests/interop/peers/npipes_frames.py")]
//! ```
