//! A security identifier as a value. It is portable, since errors and rules contain it.

use std::{fmt, str::FromStr};

use thiserror::Error as ThisError;

/// A Windows security identifier: a user, a group, or an identifier of the system itself. An
/// example is `S-1-5-21-1004336348-1177238915-682003330-512`.
///
/// # Examples
///
/// ```
/// use npipes::security::Sid;
///
/// let sid: Sid = "S-1-5-18".parse()?;
/// assert_eq!(sid, Sid::SYSTEM);
/// assert_eq!(sid.to_string(), "S-1-5-18");
/// assert!("system".parse::<Sid>().is_err());
/// # Ok::<(), npipes::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sid {
    /// 48 bits.
    authority: u64,
    count: u8,
    /// Zero from `count` on, so that derived equality is correct.
    sub_authorities: [u32; Self::MAX_SUB_AUTHORITIES],
}

impl Sid {
    /// `SID_MAX_SUB_AUTHORITIES` of `winnt.h`.
    const MAX_SUB_AUTHORITIES: usize = 15;

    /// The number of bytes before the sub-authorities: revision, number of sub-authorities,
    /// authority.
    const HEAD: usize = 8;

    /// `SID_REVISION` of `winnt.h`. There is no other revision.
    const REVISION: u8 = 1;

    /// `SECURITY_NT_AUTHORITY` of `winnt.h`.
    const NT: u64 = 5;

    /// The local system account, `S-1-5-18`.
    pub const SYSTEM: Self = Self::of(Self::NT, &[18]);

    /// The group of administrators of this machine, `S-1-5-32-544`.
    pub const ADMINISTRATORS: Self = Self::of(Self::NT, &[32, 544]);

    /// Everybody who has logged on with their own name, `S-1-5-11`.
    pub const AUTHENTICATED_USERS: Self = Self::of(Self::NT, &[11]);

    /// The group of users of this machine, `S-1-5-32-545`.
    pub const USERS: Self = Self::of(Self::NT, &[32, 545]);

    /// Everybody who has logged on at this machine or at its remote desktop, `S-1-5-4`.
    pub const INTERACTIVE: Self = Self::of(Self::NT, &[4]);

    /// Everybody, `S-1-1-0`.
    pub const EVERYONE: Self = Self::of(1, &[0]);

    const fn of(authority: u64, parts: &[u32]) -> Self {
        let mut sub_authorities = [0; Self::MAX_SUB_AUTHORITIES];
        let mut count = 0;
        while (count as usize) < parts.len() {
            sub_authorities[count as usize] = parts[count as usize];
            count += 1;
        }
        Self { authority, count, sub_authorities }
    }

    /// Returns the identifier in `bytes`, which are laid out as the `SID` of `winnt.h`. Returns
    /// `None` if the bytes are not an identifier.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<{ Self::HEAD }>()?;
        let &[Self::REVISION, count, authority @ ..] = head else {
            return None;
        };
        let count_of_all = usize::from(count);
        if count_of_all > Self::MAX_SUB_AUTHORITIES || rest.len() != 4 * count_of_all {
            return None;
        }
        let authority = authority.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        let mut sid = Self { authority, count, sub_authorities: [0; Self::MAX_SUB_AUTHORITIES] };
        for (part, bytes) in sid.sub_authorities.iter_mut().zip(rest.chunks_exact(4)) {
            *part = u32::from_le_bytes(bytes.try_into().ok()?);
        }
        Some(sid)
    }

    /// Returns the bytes of the identifier, laid out as the `SID` of `winnt.h`.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![Self::REVISION, self.count];
        bytes.extend_from_slice(&self.authority.to_be_bytes()[2..]);
        bytes.extend(self.sub_authorities().iter().flat_map(|part| part.to_le_bytes()));
        bytes
    }

    /// Returns the numbers after the authority. The last one distinguishes the members of one
    /// family.
    #[must_use]
    pub fn sub_authorities(&self) -> &[u32] {
        &self.sub_authorities[..usize::from(self.count)]
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('-');
        let ("S" | "s", "1") = (fields.next()?, fields.next()?) else {
            return None;
        };
        let authority = number(fields.next()?)?;
        if authority >= 1 << 48 {
            return None;
        }
        let mut parts = Vec::new();
        for field in fields {
            parts.push(u32::try_from(number(field)?).ok()?);
        }
        match parts.len() {
            1..=Self::MAX_SUB_AUTHORITIES => Some(Self::of(authority, &parts)),
            _ => None,
        }
    }
}

/// A text that is not a security identifier.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{text:?} is not a security identifier like S-1-5-18")]
#[non_exhaustive]
pub struct InvalidSid {
    /// The text as it was given.
    pub text: String,
}

/// Reads a decimal number, or a hexadecimal number after `0x`. Refuses a sign, which `from_str`
/// would accept.
fn number(field: &str) -> Option<u64> {
    let (digits, radix) = match field.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (field, 10),
    };
    let all_digits = digits.chars().all(|c| c.is_digit(radix));
    all_digits.then(|| u64::from_str_radix(digits, radix).ok())?
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // MS-DTYP 2.4.2.1: an authority from 2^32 on is written in hexadecimal.
        match u32::try_from(self.authority) {
            Ok(authority) => write!(f, "S-1-{authority}")?,
            Err(_) => write!(f, "S-1-0x{:012X}", self.authority)?,
        }
        self.sub_authorities().iter().try_for_each(|part| write!(f, "-{part}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid({self})")
    }
}

impl FromStr for Sid {
    type Err = InvalidSid;

    fn from_str(text: &str) -> Result<Self, InvalidSid> {
        Self::parse(text).ok_or_else(|| InvalidSid { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_sid() -> impl Strategy<Value = Sid> {
        let parts = proptest::collection::vec(any::<u32>(), 1..=Sid::MAX_SUB_AUTHORITIES);
        (0..1_u64 << 48, parts).prop_map(|(authority, parts)| Sid::of(authority, &parts))
    }

    proptest! {
        #[test]
        fn the_text_of_a_sid_means_it(sid in any_sid()) {
            prop_assert_eq!(sid.to_string().parse::<Sid>().unwrap(), sid);
        }

        #[test]
        fn the_bytes_of_a_sid_are_it(sid in any_sid()) {
            prop_assert_eq!(Sid::from_bytes(&sid.to_bytes()), Some(sid));
        }

        #[test]
        fn bytes_are_that_sid_or_none(bytes: Vec<u8>) {
            if let Some(sid) = Sid::from_bytes(&bytes) {
                prop_assert_eq!(sid.to_bytes(), bytes);
            }
        }

        #[test]
        fn no_text_panics(text in "(S-1-|s-1-|)[0-9xA-F-]{0,40}") {
            let _ = text.parse::<Sid>();
        }
    }

    #[test]
    fn the_layout_is_that_of_windows() {
        let bytes = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0];
        assert_eq!(Sid::ADMINISTRATORS.to_bytes(), bytes);
        assert_eq!(Sid::ADMINISTRATORS.to_string(), "S-1-5-32-544");
    }

    #[test]
    fn bytes_of_any_length_but_that_of_their_count_are_no_sid() {
        for count in 0..=17_u8 {
            for len in 0..=80 {
                let bytes: Vec<u8> = [1, count].into_iter().chain(2..80).take(len).collect();
                let is_sid = usize::from(count) <= Sid::MAX_SUB_AUTHORITIES
                    && len == 8 + 4 * usize::from(count);
                assert_eq!(Sid::from_bytes(&bytes).is_some(), is_sid, "{count} parts, {len} bytes");
            }
        }
        assert_eq!(Sid::from_bytes(&[2, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0]), None);
    }

    #[test]
    fn a_large_authority_is_hexadecimal() {
        let sid: Sid = "S-1-0x010203040506-7".parse().unwrap();
        assert_eq!(sid.to_string(), "S-1-0x010203040506-7");
        assert_eq!(sid.to_bytes()[2..8], [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn what_is_no_sid_is_refused() {
        let sixteen = format!("S-1-5{}", "-1".repeat(16));
        for text in
            ["", "S-1", "S-1-5", "S-2-5-18", "S-1-5-", "S-1-5-+1", "S-1-5-4294967296", &sixteen]
        {
            let error = text.parse::<Sid>().unwrap_err();
            assert_eq!(error, InvalidSid { text: text.to_owned() });
        }
    }
}
