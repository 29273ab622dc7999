//! The configuration of a component's artifact.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What a component's artifact says of the component. It is for people and other tools:
/// what the component really imports is read from its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WasmConfig {
    /// When it was made, as RFC 3339 has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// `wasm`, or empty if it is not said.
    pub architecture: String,
    /// `wasip2`, or empty if it is not said.
    pub os: String,
    /// The digests of the layers.
    pub layer_digests: Vec<String>,
    /// What the component has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<Interfaces>,
}

/// The interfaces of a component, as `wasi:http/types@0.2.0`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interfaces {
    /// What it gives.
    #[serde(default)]
    pub exports: Vec<String>,
    /// What it needs.
    #[serde(default)]
    pub imports: Vec<String>,
    /// The world it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl WasmConfig {
    /// Reads what a registry has. The layout asks for most of it, but people who push with
    /// a tool for any kind of artifact often say nothing: `{}`, or not a byte.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<WasmConfig, serde_json::Error> {
        match bytes {
            b"" => Ok(WasmConfig::default()),
            bytes => serde_json::from_slice(bytes),
        }
    }
}

/// The time that an artifact says it was made at: `SOURCE_DATE_EPOCH` if that is set,
/// so that the same artifact can be made again, or now.
pub(crate) fn created() -> String {
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok();
    at(epoch.as_deref()).unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned())
}

fn at(epoch: Option<&str>) -> Option<String> {
    let given = epoch
        .and_then(|seconds| seconds.trim().parse().ok())
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let now = || OffsetDateTime::now_utc().replace_nanosecond(0).ok();
    given.or_else(now)?.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_can_be_given() {
        assert_eq!(at(Some("0")).unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(at(Some("1700000000")).unwrap(), "2023-11-14T22:13:20Z");
        for now in [None, Some(""), Some("x"), Some("99999999999999999")] {
            let text = at(now).unwrap();
            assert!(text.starts_with("20") && text.ends_with('Z'), "{text}");
        }
    }

    #[test]
    fn what_others_leave_out_is_not_needed() {
        let nothing = WasmConfig::default();
        for bytes in [&b""[..], b"{}", br#"{"author":null,"component":null}"#] {
            assert_eq!(WasmConfig::read(bytes).unwrap(), nothing);
        }
        for bytes in [&b" "[..], b"[]x", b"{\"os\":1}"] {
            assert!(WasmConfig::read(bytes).is_err());
        }
    }

    #[test]
    fn the_form_is_that_of_the_layout() {
        let config = WasmConfig {
            created: Some("2023-11-14T22:13:20Z".into()),
            author: None,
            architecture: "wasm".into(),
            os: "wasip2".into(),
            layer_digests: vec!["sha256:0".into()],
            component: Some(Interfaces {
                exports: vec!["a:b/c@1.0.0".into()],
                ..Interfaces::default()
            }),
        };
        assert_eq!(
            serde_json::to_string(&config).unwrap(),
            r#"{"created":"2023-11-14T22:13:20Z","architecture":"wasm","os":"wasip2","layerDigests":["sha256:0"],"component":{"exports":["a:b/c@1.0.0"],"imports":[]}}"#
        );
    }
}
