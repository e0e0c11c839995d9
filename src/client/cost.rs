//! What a message costs of a limit in bytes.

/// Returns the cost of a message in the outbox, in bytes: its payload, and about the size of its
/// entry. So a limit in bytes also limits empty messages.
pub(super) fn cost(message: &[u8]) -> usize {
    message.len() + ENTRY_COST
}

/// The part of the cost that every message has, in bytes.
pub(super) const ENTRY_COST: usize = 64;
