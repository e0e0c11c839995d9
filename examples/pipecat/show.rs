//! Prints frames, and bytes that are not frames.

use npipes::frame::{Dialect, FrameError, ReceiveChecksum};

use crate::{
    dissect::{Broken, Frame, Why},
    plan::{PayloadView, View},
    values::dialect_name,
};

/// Bytes shown of one payload.
const SHOWN: usize = 256;

/// What the CRC-32 of a frame says.
pub(crate) enum Verdict {
    Right,
    /// None was computed, and none is required.
    Absent,
    Missing,
    Wrong,
}

impl Verdict {
    pub(crate) fn of(frame: &Frame, policy: ReceiveChecksum) -> Self {
        match (frame.carried, frame.actual) {
            (carried, actual) if carried == actual => Self::Right,
            (0, _) if policy == ReceiveChecksum::Require => Self::Missing,
            (0, _) => Self::Absent,
            _ if policy == ReceiveChecksum::Ignore => Self::Absent,
            _ => Self::Wrong,
        }
    }

    pub(crate) fn is_bad(&self) -> bool {
        matches!(self, Self::Missing | Self::Wrong)
    }
}

/// Prints one frame, and returns whether something is wrong with it.
pub(crate) fn frame(frame: &Frame, view: &View) -> bool {
    let verdict = Verdict::of(frame, view.receive_crc);
    if view.payload == PayloadView::Quiet && !verdict.is_bad() {
        return false;
    }
    let &Frame { number, offset, header, len, carried, actual, .. } = frame;
    let crc = match verdict {
        Verdict::Right => format!("CRC-32 {carried:08x} ok"),
        Verdict::Absent => {
            format!("CRC-32 {carried:08x} not checked, the payload has {actual:08x}")
        }
        Verdict::Missing => format!("CRC-32 MISSING, the payload has {actual:08x}"),
        Verdict::Wrong => {
            format!("CRC-32 WRONG: it says {carried:08x}, the payload has {actual:08x}")
        }
    };
    let dialect = dialect_name(frame.dialect);
    let time = time(view);
    let header = header_text(&header);
    println!(
        "{time}< frame {number} at byte {offset}: {len} bytes, header {header} ({dialect}), {crc}"
    );
    match view.payload {
        PayloadView::TextOrDump if printable(frame).is_some() => {
            println!("  {:?}", printable(frame).unwrap_or_default());
        }
        _ => dump(&frame.head, usize::try_from(len).unwrap_or(usize::MAX)),
    }
    verdict.is_bad()
}

/// Prints a frame that was sent.
pub(crate) fn sent(number: u64, frame: &[u8], dialect: Dialect, view: &View) {
    if view.payload == PayloadView::Quiet {
        return;
    }
    let Some((header, rest)) = frame.split_first_chunk() else { return };
    let (time, header, len) = (time(view), header_text(header), rest.len() - 4);
    println!("{time}> frame {number}: {len} bytes, header {header} ({})", dialect_name(dialect));
}

/// Prints how much was sent outside any frame.
pub(crate) fn sent_raw(bytes: &[u8], view: &View) {
    if view.payload != PayloadView::Quiet {
        println!("{}> {} bytes in no frame", time(view), bytes.len());
    }
}

fn header_text(header: &[u8; 8]) -> String {
    let [a, b, c, d, e, f, g, h] = header;
    format!("{a:02x}{b:02x}{c:02x}{d:02x} {e:02x}{f:02x}{g:02x}{h:02x}")
}

/// Returns what begins a line, if it begins with the time.
fn time(view: &View) -> String {
    view.since.map_or(String::new(), |since| format!("{:9.3} ", since.elapsed().as_secs_f64()))
}

/// Prints what ended the understanding: the bytes, how they read, and what they may be instead.
pub(crate) fn broken(broken: &Broken, view: &View) {
    println!("{}! at byte {}: {}", time(view), broken.offset, broken.why);
    dump(&broken.bytes, broken.bytes.len());
    let Ok(header) = <[u8; 8]>::try_from(&broken.bytes[..]) else { return };
    let fits = match broken.why {
        Why::Header(FrameError::LengthMismatch { fits, .. }) => fits,
        Why::Header(FrameError::NoDialect { .. }) => None,
        _ => return,
    };
    let [a, b, c, d, e, f, g, h] = header;
    let (first, second) = ([a, b, c, d], [e, f, g, h]);
    reading("little-endian", u32::from_le_bytes(first), u32::from_le_bytes(second));
    reading("big-endian", u32::from_be_bytes(first), u32::from_be_bytes(second));
    match fits {
        Some(dialect) if broken.offset == 0 => {
            println!("  try --dialect {}", dialect_name(dialect));
        }
        Some(dialect) => println!("  it began in another dialect than {}", dialect_name(dialect)),
        None => println!("  no dialect fits: another protocol, or bytes were lost or added before"),
    }
}

fn reading(order: &str, message: u32, data: u32) {
    let surplus = i64::from(message) - i64::from(data);
    let rule = match surplus {
        12 => "as in a length of the whole packet",
        8 => "as in a length after itself",
        _ => "it would have to be 12 or 8",
    };
    println!("  {order:<13} message length {message}, data length {data}: {surplus} more, {rule}");
}

/// Prints one read of a stream that is not taken apart.
pub(crate) fn raw(offset: u64, bytes: &[u8], view: &View) {
    println!("{}< {} bytes at byte {offset}", time(view), bytes.len());
    dump(bytes, bytes.len());
}

/// Returns the payload as a text, if it is one and short enough to be shown as a whole.
fn printable(frame: &Frame) -> Option<&str> {
    let whole = frame.len <= SHOWN as u64;
    let text = std::str::from_utf8(&frame.head).ok().filter(|_| whole)?;
    let is_odd = |c: char| c.is_control() && !c.is_whitespace();
    (!text.chars().any(is_odd)).then_some(text)
}

/// Prints the beginning of `len` bytes.
fn dump(bytes: &[u8], len: usize) {
    let shown = bytes.len().min(SHOWN);
    for (line, row) in bytes[..shown].chunks(16).enumerate() {
        let hex: String = row.iter().map(|byte| format!("{byte:02x} ")).collect();
        let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        let text = row.iter().map(|&byte| if printable(byte) { char::from(byte) } else { '.' });
        let text: String = text.collect();
        println!("  {:08x}  {hex:<48} |{text}|", line * 16);
    }
    if shown < len {
        println!("  and {} bytes more", len - shown);
    }
}
