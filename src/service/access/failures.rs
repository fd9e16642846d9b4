//! Charges of secrets that were wrong, by the client's address.

use std::net::IpAddr;

use crate::domain::secret::Secret;
use crate::domain::{Blame, Error, ErrorKind};
use crate::service::access::Access;
use crate::service::access::presented::LogIn;
use crate::service::limits::attempt::Attempt;
use crate::service::limits::back_off::BackOff;

impl Access {
    /// Charges a log-in that failed, unless it was charged before it was looked at. Returns the
    /// refusal, which is another one where there were too many before.
    pub(super) fn charge_failure(
        &self,
        log_in: &LogIn,
        attempt: &mut Attempt,
        error: Error,
    ) -> Error {
        let Some(address) = attempt.address else {
            return error;
        };
        if error.kind().blame() != Blame::Client {
            self.limits.give_back(attempt);
            return error;
        }
        match error.kind() {
            ErrorKind::AddressThrottled { .. } => return error,
            ErrorKind::BadCredentials if log_in.can_be_guessed() || attempt.is_guess => {
                return error;
            }
            ErrorKind::BadCredentials => {}
            _ => {
                return if self.limits.charge(attempt) {
                    error
                } else {
                    self.limits.back_off_error(BackOff::Address, &error)
                };
            }
        }
        let (username, secret) = match log_in {
            LogIn::Anonymous => ("", &Secret::new("")),
            LogIn::Password {
                username, secret, ..
            } => (username.as_str(), secret),
            LogIn::Refresh { token } => ("", token),
        };
        self.count_wrong_secret(address, username, secret, attempt, error)
    }

    /// As [`Self::charge_failure`], of a secret that comes without a username; failures are counted
    /// under `key`.
    pub(super) fn charge_wrong_secret(
        &self,
        key: &str,
        secret: &Secret,
        attempt: &mut Attempt,
        error: Error,
    ) -> Error {
        match (attempt.address, error.kind()) {
            (Some(address), ErrorKind::BadCredentials) => {
                self.count_wrong_secret(address, key, secret, attempt, error)
            }
            (Some(_), kind) if kind.blame() != Blame::Client => {
                self.limits.give_back(attempt);
                error
            }
            _ => error,
        }
    }

    fn count_wrong_secret(
        &self,
        address: IpAddr,
        username: &str,
        secret: &Secret,
        attempt: &mut Attempt,
        error: Error,
    ) -> Error {
        let is_within = self.limits.charge(attempt);
        let failure = self.limits.log_ins.count(
            address,
            username,
            secret,
            (!is_within).then_some(BackOff::Address),
            self.base.now(),
        );
        if failure.is_repeated {
            self.limits.give_back(attempt);
        }
        match (failure.was_used_up, is_within) {
            (true, _) => self.limits.back_off_error(BackOff::Username, &error),
            (false, false) => self.limits.back_off_error(BackOff::Address, &error),
            (false, true) => error,
        }
    }
}
