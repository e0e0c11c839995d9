//! Who may create instances of a pipe by its access rules. Such a user can be the server for a
//! client.

use crate::sid::Sid;

/// Who may serve a pipe by its access rules, besides its owner, SYSTEM and administrators.
///
/// A pipe has one owner and one set of rules, those of its first instance. A user who may create
/// further instances (`FILE_CREATE_PIPE_INSTANCE`, which `GENERIC_WRITE` contains), or change the
/// rules, can serve in the owner's pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MayServe {
    /// Nobody else. The owner tells who serves every instance.
    OwnerAlone,
    /// The user of this process.
    ThisUser,
    /// Others too, or this is not known. The owner does not tell who serves this instance.
    Others,
}

/// The account that stands for the owner in rules, `S-1-3-4`, and the one that stands for the
/// creator in inherited rules, `S-1-3-0`. No user has the latter.
const STANDING_FOR_THE_OWNER: [&[u32]; 2] = [&[4], &[0]];

impl MayServe {
    /// Returns who may serve by a self-relative security descriptor with a DACL, for a process that
    /// runs as `this`.
    ///
    /// It ignores rules that deny: they can only reduce the users that it finds.
    pub(super) fn by_rules(descriptor: &[u8], owner: Option<Sid>, this: Sid) -> Self {
        let Some(rules) = rules(descriptor) else {
            return Self::Others;
        };
        rules.map(|rule| rule.lets_serve(owner, this)).max().unwrap_or(Self::OwnerAlone)
    }
}

/// One entry of a DACL: its head, and the data after the head.
struct Rule<'a> {
    kind: u8,
    flags: u8,
    rest: &'a [u8],
}

impl Rule<'_> {
    /// `ACCESS_ALLOWED_ACE_TYPE` and `ACCESS_ALLOWED_CALLBACK_ACE_TYPE` of `winnt.h`, which have
    /// the rights and then the identifier. The second also has a condition, which is assumed to be
    /// met.
    const ALLOWING: [u8; 2] = [0, 9];

    /// The types that deny, and those that belong to no DACL.
    const IRRELEVANT: [u8; 5] = [1, 6, 10, 12, 17];

    /// `INHERIT_ONLY_ACE`: the entry does not apply to this object.
    const INHERIT_ONLY: u8 = 8;

    /// `FILE_CREATE_PIPE_INSTANCE`, `WRITE_DAC`, `WRITE_OWNER`, and the generic rights that contain
    /// one of them: Windows maps the generic rights when the pipe is created. A stock Wine keeps
    /// them.
    const SERVING: u32 = 0x4 | 0x4_0000 | 0x8_0000 | 0x4000_0000 | 0x1000_0000;

    fn lets_serve(&self, owner: Option<Sid>, this: Sid) -> MayServe {
        if self.flags & Self::INHERIT_ONLY != 0 || Self::IRRELEVANT.contains(&self.kind) {
            return MayServe::OwnerAlone;
        }
        let Some((rights, account)) = self.content() else {
            return MayServe::Others;
        };
        if rights & Self::SERVING == 0 || stands_for_the_owner(account, owner) {
            MayServe::OwnerAlone
        } else if account == this {
            MayServe::ThisUser
        } else {
            MayServe::Others
        }
    }

    fn content(&self) -> Option<(u32, Sid)> {
        if !Self::ALLOWING.contains(&self.kind) {
            return None;
        }
        let (rights, rest) = self.rest.split_first_chunk()?;
        let len = 8 + 4 * usize::from(*rest.get(1)?);
        Some((u32::from_le_bytes(*rights), Sid::from_bytes(rest.get(..len)?)?))
    }
}

fn stands_for_the_owner(account: Sid, owner: Option<Sid>) -> bool {
    const CREATOR_AUTHORITY: &str = "S-1-3-";
    owner == Some(account)
        || matches!(account, Sid::SYSTEM | Sid::ADMINISTRATORS)
        || (STANDING_FOR_THE_OWNER.contains(&account.sub_authorities())
            && account.to_string().starts_with(CREATOR_AUTHORITY))
}

/// Returns the entries of the DACL. Returns `None` if there is no DACL, which lets everybody do
/// everything, or if its layout is not that of `winnt.h`.
fn rules(descriptor: &[u8]) -> Option<impl Iterator<Item = Rule<'_>>> {
    /// The offset at which a `SECURITY_DESCRIPTOR_RELATIVE` has the place of the DACL.
    const DACL: usize = 16;
    let place = u32_at(descriptor, DACL)?;
    let list = descriptor.get(usize::try_from(place).ok().filter(|place| *place > 0)?..)?;
    let count = u16_at(list, 4)?;
    let mut rest = list.get(8..)?;
    let mut rules = Vec::new();
    for _ in 0..count {
        let len = usize::from(u16_at(rest, 2)?);
        let rule = rest.get(..len).filter(|rule| rule.len() >= 4)?;
        rules.push(Rule { kind: rule[0], flags: rule[1], rest: &rule[4..] });
        rest = &rest[len..];
    }
    Some(rules.into_iter())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::windows::sys::security::Descriptor;

    const OWNER: Sid = Sid::SYSTEM;

    fn alice() -> Sid {
        "S-1-5-21-1-2-3-1001".parse().unwrap()
    }

    /// Checks who may serve a pipe of SYSTEM with these rules, from the view of a process of Alice.
    #[track_caller]
    fn lets_serve(rules: &str, who: MayServe) {
        let descriptor = Descriptor::from_sddl(&format!("O:SY{rules}")).unwrap();
        let found = MayServe::by_rules(&descriptor.to_bytes(), Some(OWNER), alice());
        assert_eq!(found, who, "{rules}");
    }

    #[test]
    fn reading_and_writing_is_not_serving() {
        lets_serve("D:P(A;;FA;;;SY)", MayServe::OwnerAlone);
        lets_serve("D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;0x12019b;;;WD)", MayServe::OwnerAlone);
        // The default that `CreateNamedPipeW` documents.
        lets_serve(
            "D:(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;OW)(A;;FR;;;WD)(A;;FR;;;AN)",
            MayServe::OwnerAlone,
        );
        lets_serve("D:P", MayServe::OwnerAlone);
    }

    #[test]
    fn each_right_that_leads_to_an_instance_is_serving() {
        for rights in ["FA", "FW", "GA", "GW", "0x4", "WD", "WO"] {
            lets_serve(&format!("D:P(A;;FA;;;SY)(A;;{rights};;;AU)"), MayServe::Others);
        }
        // No list at all. An empty list is different.
        lets_serve("", MayServe::Others);
    }

    #[test]
    fn this_process_s_user_is_told_from_others() {
        lets_serve("D:P(A;;FA;;;S-1-5-21-1-2-3-1001)", MayServe::ThisUser);
        lets_serve(
            "D:P(A;;FA;;;S-1-5-21-1-2-3-1001)(A;;FA;;;S-1-5-21-1-2-3-1002)",
            MayServe::Others,
        );
    }

    #[test]
    fn what_does_not_let_anybody_do_anything_is_passed_over() {
        lets_serve("D:P(D;;FA;;;WD)(A;;FR;;;WD)", MayServe::OwnerAlone);
        lets_serve("D:P(A;OIIO;FA;;;WD)", MayServe::OwnerAlone);
        // The first rule takes away what the second gives. The code ignores the first.
        lets_serve("D:P(D;;FA;;;WD)(A;;FA;;;WD)", MayServe::Others);
    }

    #[test]
    fn what_is_not_understood_may_be_anything() {
        let whole = Descriptor::from_sddl("O:SYD:P(A;;FA;;;SY)(A;;FR;;;WD)").unwrap().to_bytes();
        let list = usize::try_from(u32_at(&whole, 16).unwrap()).unwrap();
        let end = list + usize::from(u16_at(&whole, list + 2).unwrap());
        for len in 0..=whole.len() {
            let found = MayServe::by_rules(&whole[..len], Some(OWNER), alice());
            let is_whole = len >= end;
            assert_eq!(found == MayServe::OwnerAlone, is_whole, "{len}: {found:?}");
        }
        assert_eq!(MayServe::by_rules(&[], None, alice()), MayServe::Others);
        // A type that allows but has another layout (ACCESS_ALLOWED_OBJECT_ACE_TYPE).
        let mut object = whole;
        object[list + 8] = 5;
        assert_eq!(MayServe::by_rules(&object, Some(OWNER), alice()), MayServe::Others);
    }
}
