//! Reads the command line.

use std::{
    ffi::OsString,
    path::PathBuf,
    time::{Duration, Instant},
};

use lexopt::{Arg, Parser, ValueExt};
use npipes::{
    PipeName,
    frame::{FrameFormat, ReceiveChecksum, SendChecksum},
};

use crate::{
    failure::{Failure, causes},
    plan::{Command, ExchangePlan, Outgoing, PayloadView, Place, Role, Stop, TransferPlan, View},
    values::{at_least_one, dialect, seconds, unhex},
};

pub(crate) const USAGE: &str = include_str!("usage.txt");

/// Every option, as far as it was given. Each command takes those that it knows.
#[derive(Default)]
struct Options {
    listen: bool,
    outgoing: Vec<Outgoing>,
    lines: bool,
    stop: Option<Stop>,
    keep: bool,
    payload: Option<PayloadView>,
    save: Option<PathBuf>,
    raw: bool,
    times: bool,
    format: FrameFormat,
    receive_crc: ReceiveChecksum,
    message_type: bool,
    wait: Duration,
    any_server: bool,
    chunk: Option<usize>,
    progress: bool,
    operands: Vec<OsString>,
}

const LISTEN: &[&str] = &["keep", "type"];
const CONNECT: &[&str] = &["wait", "any-server"];
const SENDING: &[&str] =
    &["text", "message", "bytes", "lines", "replies", "idle", "close", "stall"];
const SHOWING: &[&str] = &["dump", "quiet", "save", "raw", "times"];
const FRAMES: &[&str] = &["dialect", "send-crc", "receive-crc", "max-payload"];
const FILES: &[&str] = &["listen", "type", "chunk", "progress"];

pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Failure> {
    let mut parser = Parser::from_iter(arguments);
    let command = match parser.next()? {
        Some(Arg::Value(command)) => command.string()?,
        Some(Arg::Long("help") | Arg::Short('h')) => return Ok(Command::Help),
        Some(other) => return Err(other.unexpected().into()),
        None => return Err(Failure::Usage("a command is missing".to_owned())),
    };
    let known: &[&[&str]] = match command.as_str() {
        "listen" => &[SENDING, SHOWING, FRAMES, LISTEN],
        "connect" => &[SENDING, SHOWING, FRAMES, CONNECT],
        "send-file" | "receive-file" => &[FILES, FRAMES, CONNECT],
        "decode" => &[SHOWING, FRAMES],
        "conform" => &[CONNECT],
        "list" => &[],
        "help" => return Ok(Command::Help),
        _ => return Err(Failure::Usage(format!("there is no command {command:?}"))),
    };
    let Some(options) = read_options(&mut parser, &command, known)? else {
        return Ok(Command::Help);
    };
    options.into_command(&command)
}

/// Reads what follows the command; `None` if it asks for help.
fn read_options(
    parser: &mut Parser,
    command: &str,
    known: &[&[&str]],
) -> Result<Option<Options>, Failure> {
    let mut options = Options::default();
    options.format = options.format.detect_dialect(true);
    while let Some(argument) = parser.next()? {
        let name = match argument {
            Arg::Value(operand) => {
                options.operands.push(operand);
                continue;
            }
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            Arg::Long(name) if known.concat().contains(&name) => name.to_owned(),
            Arg::Long(name) => {
                return Err(Failure::Usage(format!("{command} has no option --{name}")));
            }
            other => return Err(other.unexpected().into()),
        };
        options.read(&name, parser)?;
    }
    Ok(Some(options))
}

impl Options {
    fn read(&mut self, name: &str, parser: &mut Parser) -> Result<(), Failure> {
        match name {
            "listen" => self.listen = true,
            "text" => self.outgoing.push(Outgoing::Text(parser.value()?.string()?)),
            "message" => self.outgoing.push(Outgoing::MessageFile(parser.value()?.into())),
            "bytes" => {
                let bytes = parser.value()?.parse_with(unhex)?;
                self.outgoing.push(Outgoing::Bytes(bytes));
            }
            "lines" => self.lines = true,
            "replies" => {
                let count = parser.value()?.parse_with(at_least_one)?;
                self.set_stop(Stop::AfterReplies(count))?;
            }
            "idle" => self.set_stop(Stop::WhenIdle(parser.value()?.parse_with(seconds)?))?,
            "close" => self.set_stop(Stop::WhenRead)?,
            "stall" => self.set_stop(Stop::Never)?,
            "keep" => self.keep = true,
            "dump" => self.payload = Some(PayloadView::Dump),
            "quiet" => self.payload = Some(PayloadView::Quiet),
            "save" => self.save = Some(parser.value()?.into()),
            "raw" => self.raw = true,
            "times" => self.times = true,
            "dialect" => {
                let dialect = parser.value()?.parse_with(dialect)?;
                self.format = match dialect {
                    Some(dialect) => self.format.dialect(dialect),
                    None => self.format.detect_dialect(true),
                };
            }
            "send-crc" => {
                let policy = parser.value()?.parse_with(|text| match text {
                    "compute" => Ok(SendChecksum::Compute),
                    "zero" => Ok(SendChecksum::Zero),
                    _ => Err("it is compute or zero"),
                })?;
                self.format = self.format.send_checksum(policy);
            }
            "receive-crc" => {
                let policy = parser.value()?.parse_with(|text| match text {
                    "check" => Ok(ReceiveChecksum::CheckUnlessZero),
                    "require" => Ok(ReceiveChecksum::Require),
                    "ignore" => Ok(ReceiveChecksum::Ignore),
                    _ => Err("it is check, require or ignore"),
                })?;
                self.receive_crc = policy;
                self.format = self.format.receive_checksum(policy);
            }
            "max-payload" => self.format = self.format.max_payload(parser.value()?.parse()?),
            "type" => {
                self.message_type = parser.value()?.parse_with(|text| match text {
                    "byte" => Ok(false),
                    "message" => Ok(true),
                    _ => Err("it is byte or message"),
                })?;
            }
            "wait" => self.wait = parser.value()?.parse_with(seconds)?,
            "any-server" => self.any_server = true,
            "chunk" => {
                let chunk = parser.value()?.parse_with(at_least_one)?;
                self.chunk = Some(usize::try_from(chunk).unwrap_or(usize::MAX));
            }
            "progress" => self.progress = true,
            _ => unreachable!("every option that a command knows is read here"),
        }
        Ok(())
    }

    fn set_stop(&mut self, stop: Stop) -> Result<(), Failure> {
        match self.stop.replace(stop) {
            None => Ok(()),
            Some(_) => {
                Err(Failure::Usage("--replies, --idle, --close, --stall: one of them".to_owned()))
            }
        }
    }

    fn into_command(mut self, command: &str) -> Result<Command, Failure> {
        let operands = std::mem::take(&mut self.operands);
        let mut operands = operands.into_iter();
        let mut operand = |what: &str| {
            operands.next().ok_or_else(|| Failure::Usage(format!("{what} is missing")))
        };
        let command = match command {
            "list" => Command::List,
            "decode" => Command::Decode(operands.next().map(PathBuf::from), self.into_view()),
            "listen" => {
                let place = self.place(operand("the pipe")?, true)?;
                Command::Exchange(place, self.into_exchange_plan())
            }
            "conform" => Command::Conform(self.place(operand("the pipe")?, false)?),
            "connect" => {
                let place = self.place(operand("the pipe")?, false)?;
                Command::Exchange(place, self.into_exchange_plan())
            }
            _ => {
                let place = self.place(operand("the pipe")?, self.listen)?;
                let file = PathBuf::from(operand("the file")?);
                let Self { format, chunk, progress, .. } = self;
                let plan = TransferPlan { format, chunk: chunk.unwrap_or(64 * 1024), progress };
                match command {
                    "send-file" => Command::SendFile(place, file, plan),
                    _ => Command::ReceiveFile(place, file, plan),
                }
            }
        };
        match operands.next() {
            None => Ok(command),
            Some(extra) => {
                let extra = extra.to_string_lossy();
                Err(Failure::Usage(format!("{extra:?} is one argument too many")))
            }
        }
    }

    fn place(&self, pipe: OsString, listens: bool) -> Result<Place, Failure> {
        let pipe = PipeName::new(&pipe.string()?).map_err(|e| Failure::Usage(causes(&e)))?;
        let role = match listens {
            true => Role::Listen { message_type: self.message_type },
            false => Role::Connect { wait: self.wait, any_server: self.any_server },
        };
        Ok(Place { pipe, role })
    }

    fn into_exchange_plan(mut self) -> ExchangePlan {
        ExchangePlan {
            outgoing: std::mem::take(&mut self.outgoing),
            lines: self.lines,
            stop: self.stop.take().unwrap_or(Stop::WhenPeerLeaves),
            keep: self.keep,
            view: self.into_view(),
        }
    }

    fn into_view(self) -> View {
        View {
            format: self.format,
            receive_crc: self.receive_crc,
            payload: self.payload.unwrap_or(PayloadView::TextOrDump),
            save: self.save,
            raw: self.raw,
            since: self.times.then(Instant::now),
        }
    }
}
