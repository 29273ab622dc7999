//! Who a user is at a registry.

use wasm_flow_contract::remote::Secret;

/// What a registry knows a user by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password, or a token that is used like one.
        password: Secret,
    },
    /// A token that other tokens are given for.
    Token(Secret),
}
