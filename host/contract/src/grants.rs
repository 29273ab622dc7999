//! What an executor may reach outside its sandbox.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::address::Reserved;
use crate::origin::HttpOrigin;

/// What an executor may reach.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allow {
    /// Where it may send HTTP requests to.
    pub http: Vec<HttpGrant>,
    /// Variables of the host's environment that it sees.
    pub env: Vec<String>,
    /// Folders of the host that it sees.
    pub dirs: Vec<DirGrant>,
}

/// A place that an executor may send HTTP requests to, and what its name may stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpGrant {
    /// The place.
    pub origin: HttpOrigin,
    /// Whether its name may stand for an address that is not on the Internet.
    pub private: bool,
}

impl HttpGrant {
    /// Whether a request may go to `address`, one that the name stands for.
    ///
    /// Whoever grants `http://10.0.0.1` means that address, and whoever grants
    /// `http://localhost` means this machine. What another name stands for is up to
    /// whoever has it.
    ///
    /// # Errors
    /// With what the address is for, if it may not.
    pub fn admits(&self, address: IpAddr) -> Result<(), Reserved> {
        match Reserved::of(address) {
            None => Ok(()),
            Some(_) if self.origin.address() == Some(address) => Ok(()),
            // Who means a network of his own does not mean what tells a machine its secrets.
            Some(reserved) if self.private && reserved != Reserved::Cloud => Ok(()),
            Some(Reserved::Loopback) if self.origin.is_localhost() => Ok(()),
            Some(reserved) => Err(reserved),
        }
    }
}

impl From<HttpOrigin> for HttpGrant {
    fn from(origin: HttpOrigin) -> Self {
        HttpGrant {
            origin,
            private: false,
        }
    }
}

/// Why an executor cannot be granted something of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantNameError {
    /// It is not the name of an environment variable.
    #[error("not the name of an environment variable")]
    Env,
    /// A guest's path is not absolute.
    #[error("the executor's path must begin with `/`")]
    Relative,
    /// A guest's path leads somewhere else than it says.
    #[error("the executor's path must not have `.` or `..` in it")]
    Dots,
}

/// Whether this may be a variable of the environment.
///
/// # Errors
/// When it cannot be the name of one.
pub fn check_env(name: &str) -> Result<(), GrantNameError> {
    match name.is_empty() || name.contains(['=', '\0']) {
        false => Ok(()),
        true => Err(GrantNameError::Env),
    }
}

/// Whether an executor may see a folder under this path.
///
/// # Errors
/// When it is not absolute, or not plain.
pub fn check_guest_path(path: &str) -> Result<(), GrantNameError> {
    if !path.starts_with('/') {
        return Err(GrantNameError::Relative);
    }
    match path.split('/').any(|part| matches!(part, "." | "..")) {
        false => Ok(()),
        true => Err(GrantNameError::Dots),
    }
}

/// A folder that an executor sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirGrant {
    /// The folder on the host.
    pub host: PathBuf,
    /// The absolute path that the executor sees it under.
    pub guest: String,
    /// What it may do there.
    pub access: Access,
}

/// What an executor may do in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// List and read.
    #[default]
    Read,
    /// Also create, change and remove.
    Write,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_admits_the_addresses_that_it_means() {
        let grant = |origin: &str, private| HttpGrant {
            origin: HttpOrigin::parse(origin).unwrap(),
            private,
        };
        let admits = |grant: &HttpGrant, address: &str| grant.admits(address.parse().unwrap());
        let name = grant("https://a.example", false);
        assert_eq!(admits(&name, "93.184.215.14"), Ok(()));
        for (address, reserved) in [
            ("127.0.0.1", Reserved::Loopback),
            ("10.0.0.1", Reserved::Private),
            ("169.254.169.254", Reserved::Cloud),
            ("::1", Reserved::Loopback),
            ("::ffff:10.0.0.1", Reserved::Private),
        ] {
            assert_eq!(admits(&name, address), Err(reserved), "{address}");
            let expected = match reserved {
                Reserved::Cloud => Err(reserved),
                _ => Ok(()),
            };
            let private = grant("https://a.example", true);
            assert_eq!(admits(&private, address), expected, "{address}");
        }
        let metadata = grant("http://169.254.169.254", false);
        assert_eq!(admits(&metadata, "169.254.169.254"), Ok(()));
        let localhost = grant("http://localhost:8080", false);
        assert_eq!(admits(&localhost, "127.0.0.1"), Ok(()));
        assert_eq!(admits(&localhost, "::1"), Ok(()));
        assert_eq!(admits(&localhost, "10.0.0.1"), Err(Reserved::Private));
        assert_eq!(admits(&grant("http://10.0.0.1", false), "10.0.0.1"), Ok(()));
        assert_eq!(admits(&grant("http://[::1]", false), "::1"), Ok(()));
    }
}
