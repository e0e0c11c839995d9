//! Where a text in the security descriptor definition language goes wrong.

/// Returns the position of the first part of `text` that is not accepted on its own.
///
/// `ConvertStringSecurityDescriptorToSecurityDescriptorW` gives one code for the whole text and no
/// position. But the meaning of owner, group and each rule does not depend on the other parts. So a
/// part that is refused alone is wrong.
pub(super) fn first_refused(text: &str, accepted: impl Fn(&str) -> bool) -> Option<usize> {
    let parts = components(text);
    let before = parts.first().map_or(text.len(), |&(start, _)| start);
    if !text[..before].trim().is_empty() {
        return Some(0);
    }
    for (start, component) in parts {
        let (kind, content) = component.split_at(2);
        let rules = content.find('(').filter(|_| matches!(kind, "D:" | "S:"));
        let head = &component[..rules.map_or(component.len(), |at| at + 2)];
        // An empty list may have no flags. Then its head alone has no meaning.
        if head.len() > 2 && !accepted(head) {
            return Some(start);
        }
        let Some(rules) = rules else { continue };
        for (at, rule) in in_parentheses(&content[rules..]) {
            if !accepted(&format!("{kind}{rule}")) {
                return Some(start + 2 + rules + at);
            }
        }
    }
    None
}

/// Returns owner, group and the two lists, each with its position. A letter and a colon outside of
/// parentheses begin a part.
fn components(text: &str) -> Vec<(usize, &str)> {
    let mut starts: Vec<usize> = Vec::new();
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'O' | b'G' | b'D' | b'S'
                if depth == 0 && text.as_bytes().get(at + 1) == Some(&b':') =>
            {
                starts.push(at);
            }
            _ => {}
        }
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| (start, &text[start..end])).collect()
}

/// Returns the outermost parentheses with their content, and the text between them, each with its
/// position.
fn in_parentheses(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => {
                if depth == 0 {
                    parts.push((start, &text[start..at]));
                    start = at;
                }
                depth += 1;
            }
            b')' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    parts.push((start, &text[start..=at]));
                    start = at + 1;
                }
            }
            _ => {}
        }
    }
    parts.push((start, &text[start..]));
    parts.retain(|(_, part)| !part.trim().is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_parentheses_are_one_rule() {
        let text = r#"D:(XA;;FX;;;S-1-1-0;(@User.a=="b" && (c)))(A;;FA;;;SY)S:(ML;;NW;;;LW)"#;
        let starts: Vec<_> = components(text).iter().map(|&(at, _)| at).collect();
        assert_eq!(starts, [0, text.find("S:(").unwrap()]);
        let refuse = |part: &str| part != "D:(A;;FA;;;SY)";
        assert_eq!(first_refused(text, refuse), text.find("(A;;FA"));
    }
}
