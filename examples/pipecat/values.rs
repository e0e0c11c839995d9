//! Values as they stand on the command line. An error says what is expected.

use std::time::Duration;

use npipes::frame::{ByteOrder, Dialect, LengthRule};

pub(crate) fn at_least_one(text: &str) -> Result<u64, &'static str> {
    text.parse().ok().filter(|&number| number > 0).ok_or("it is a number, at least 1")
}

pub(crate) fn seconds(text: &str) -> Result<Duration, &'static str> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or("it is a number of seconds")
}

/// `None` stands for the dialect of whoever speaks first.
pub(crate) fn dialect(name: &str) -> Result<Option<Dialect>, &'static str> {
    let (byte_order, length_rule) = match name {
        "detect" => return Ok(None),
        "documented" => (ByteOrder::Little, LengthRule::WholePacket),
        "npipes-1.0.1" => (ByteOrder::Big, LengthRule::AfterItself),
        "little-after-itself" => (ByteOrder::Little, LengthRule::AfterItself),
        "big-whole-packet" => (ByteOrder::Big, LengthRule::WholePacket),
        _ => return Err("there is no such dialect"),
    };
    Ok(Some(Dialect { byte_order, length_rule }))
}

/// Returns the name by which `dialect` is chosen on the command line.
pub(crate) fn dialect_name(dialect: Dialect) -> &'static str {
    match (dialect.byte_order, dialect.length_rule) {
        (ByteOrder::Big, LengthRule::AfterItself) => "npipes-1.0.1",
        (ByteOrder::Big, LengthRule::WholePacket) => "big-whole-packet",
        (_, LengthRule::AfterItself) => "little-after-itself",
        _ => "documented",
    }
}

pub(crate) fn unhex(text: &str) -> Result<Vec<u8>, &'static str> {
    let digits: Option<Vec<u32>> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16)).collect();
    let digits = digits.ok_or("it has something that is not a hex digit")?;
    if digits.len() % 2 != 0 {
        return Err("it has an odd number of hex digits");
    }
    let bytes = digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]));
    bytes.collect::<Result<_, _>>().map_err(|_| "it is no byte")
}
