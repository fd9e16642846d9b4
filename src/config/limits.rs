//! The list of limits: rates, sizes, times and queues.

use std::collections::HashMap;

use super::declare::settings;
use crate::domain::seconds::Seconds;

settings! {
    /// Rates, sizes, times and queues.
    Limits {
        /// Requests a second of one account and one action.
        @reloads requests_per_second: u32 = 100, 1..;
        /// Other rates for some actions: `"tcr:CreateInstanceToken" = 20`. As AWS documents,
        /// `ecr:GetAuthorizationToken` has 500 and `ecr:BatchGetImage` 2000 unless they are set
        /// here. Other operations of ECR's are called likewise, such as `ecr:CreateRepository`. As
        /// Tencent documents,
        /// `sts:AssumeRole` has 600 unless it is set here. `sts:AssumeRoleWithWebIdentity`,
        /// `tcr:DescribeInstanceToken`, `tcr:ModifyInstanceToken`, `tcr:CreateServiceAccount` and
        /// `tcr:ModifyServiceAccount` have 20. The others are `tcr:DeleteInstanceToken`,
        /// `tcr:DescribeServiceAccounts`, `tcr:ModifyServiceAccountPassword`,
        /// `tcr:DeleteServiceAccount`, `cr:ResetLoginPassword`, `cr:GetAuthorizationToken`,
        /// `sts:AssumeRoleWithOIDC`, `sts:GetFederationToken`, `sts:GetSessionToken`,
        /// `sts:GetScopedCredentials`, `sts:GetAccessKeyInfo` and `sts:GetCallerIdentity`.
        @reloads actions: HashMap<String, u32> = HashMap::new() => "`requests_per_second`";
        /// Refused requests a second of one address, before its failing requests have to wait;
        /// valid ones are served all the same. As many chosen passwords may be wrong at one
        /// address, counted apart ([decision 11](decisions/0011-who-is-slowed.md)).
        @reloads refusals_per_second: u32 = 20, 1..;
        /// The burst of `refusals_per_second`.
        @reloads refusals_burst: u32 = 200, 1..;
        /// Failed log-ins of one address with one username at once, before passwords that people
        /// chose have to wait (429). A password is charged before it is hashed; a right one is
        /// given back.
        @reloads failed_log_ins: u32 = 10, 1..;
        /// Failed log-ins of one address with one username a minute, for ever.
        @reloads failed_log_ins_per_minute: u32 = 10, 1..;
        /// Tokens without a log-in a second of one address.
        @reloads anonymous_per_second: u32 = 100, 1..;
        /// The burst of `anonymous_per_second`.
        @reloads anonymous_burst: u32 = 1000, 1..;
        /// Token requests a second of one credential that logged in: a service account, a fixed
        /// password, a temporary or a long-term credential with its refresh tokens. More are
        /// answered with 429. Machines that share a credential share the rate.
        @reloads token_requests_per_second: u32 = 100, 1..;
        /// The burst of `token_requests_per_second`.
        @reloads token_requests_burst: u32 = 1000, 1..;
        /// Requests a second of one operator at the admin API, for long; more are answered with
        /// 429. Each replica counts for itself.
        @reloads operator_requests_per_second: u32 = 50, 1..;
        /// The burst of `operator_requests_per_second`: all that a large plan of a tool asks for.
        @reloads operator_requests_burst: u32 = 3000, 1..;
        /// Bytes that remember used nonces and signatures until they are invalid: some 10 for a
        /// nonce, for 15 minutes, and 14 for a TC3 signature, for 5. When they run short, access
        /// keys that have more than their share are slowed ([decision
        /// 43](decisions/0043-the-replay-memory-has-one-bound.md)).
        @reloads replay_bytes: usize = 128 << 20, 1 << 20..;
        /// Memory of exchanges, in bytes. A client that asks again within ten seconds, with the
        /// same credential for the same scopes, gets the same token, while nothing changed that
        /// decided it. 0 remembers nothing, and signs a token for every request ([decision
        /// 45](decisions/0045-exchanges-are-remembered.md)).
        remembered_exchange_bytes: usize = 16 << 20;
        /// Chosen passwords that are hashed at once: each takes a core for some 20 milliseconds,
        /// and 19 MiB. Half of them are for addresses and usernames that logged in before. Signed
        /// calls that set a password have one more ([decision
        /// 17](decisions/0017-pools-for-slow-hashes.md)).
        password_threads: usize = 4, 1..;
        /// Chosen passwords that wait for a thread, half and half; more are answered with 429. Two
        /// of one address are hashed at once, and 16 more of it wait besides.
        password_queue: usize = 32;
        /// The largest body, in bytes. A form has 64 KiB at most: a registry's, that of a call
        /// without a signature, and that of the older signatures `HmacSHA256`, `HmacSHA1` and RPC's
        /// `HMAC-SHA1`, which are in the form.
        @reloads body_bytes: usize = 1 << 20;
        /// The largest body of a TC3 request, in bytes; Tencent's own limit is 10 MB.
        @reloads tc3_body_bytes: usize = 1 << 20;
        /// Bytes of bodies in memory at once: half for requests whose headers name a known key,
        /// half for forms. When they are used up, a body that is still arriving gives way: the
        /// oldest of the key that holds most, at the address that holds most.
        bodies_in_flight_bytes: usize = 32 << 20;
        /// How long a whole body may take. The service waits for 256 bodies of one
        /// address at once. A body that never comes is charged to its address, which is forgiven
        /// one a second. A body that comes with its head isn't waited for. An access key that was
        /// right in the last minutes counts apart.
        @reloads body_seconds: Seconds = Seconds::new(10);
        /// How long a TLS handshake, and then a request's head, may take.
        @reloads header_seconds: Seconds = Seconds::new(10), 1..;
        // A session token takes some of it.
        /// The largest head of a request, in bytes (431 beyond it); HTTP/1.1 has 100 lines at most.
        @reloads header_bytes: usize = 64 << 10, 8192..;
        /// How long a connection may be without a request. It is longer than a proxy
        /// keeps a connection, so that the proxy closes it.
        @reloads idle_seconds: Seconds = Seconds::new(120), 1..;
        /// Connections at once; more wait in the kernel's queue. The process raises its soft limit
        /// on open files to the hard one. Where even that is too low, it takes fewer connections,
        /// and logs how many.
        connections: usize = 10_000, 1..;
        /// Connections of one address (of IPv6, of one network of 64 bits); more are closed unread.
        /// Trusted proxies have no such limit.
        @reloads connections_per_address: usize = 1000, 1..;
        /// Connections of one address that never carried an authenticated caller and are silent for
        /// longer than `header_seconds`; an IPv6 network of 48 bits has four times as many. Beyond
        /// it those silent longest are closed. The limit is an eighth of all connections at most.
        /// Trusted proxies have none.
        @reloads unauthenticated_connections_per_address: usize = 128, 1..;
        /// How long a client may take nothing of its answers before its connection is
        /// closed; an answer by HTTP/2 has three times as long at most.
        @reloads answer_seconds: Seconds = Seconds::new(15), 1..;
        /// Requests in work at once; more are refused.
        requests_in_work: usize = 1000, 1..;
        /// How long requests may wait for a processor, all the time for a tenth of a second, before
        /// some are refused, in milliseconds.
        wait_milliseconds: u64 = 5, 1..;
        /// Audit lines that wait to be written. A line has at most 2,560 bytes, so they take 49 MiB
        /// at most; usual lines have 300.
        audit_queue: usize = 20_000, 1..;
        /// How long a request waits for the database; while the database is known to be
        /// away, none waits.
        database_seconds: Seconds = Seconds::new(5), 1..;
    }
}
