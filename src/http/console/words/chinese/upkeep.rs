//! Chinese sentences about keys, the audit, files, and the service itself.

sentences! {
    "List the keys that sign tokens and seal credentials, the CAs, and the master keys." =>
        "列出签署令牌和密封凭据的密钥、CA 以及主密钥。";
    "Show a key, a CA or a master key." => "查看密钥、CA 或主密钥。";
    "Its id, as lists show it." => "列表中显示的 ID。";
    "Its id." => "其 ID。";
    "List only those about this account." => "只列出与该账号有关的通知。";
    "List the notices of the last 30 days, the newest first." =>
        "列出最近 30 天的通知，最新的在前。";
    "Make a notice that tries the webhook. The running service sends it." =>
        "创建一条通知以测试 Webhook，由运行中的服务发送。";
    "Send a dead notice to the webhook again, as often as a new one." =>
        "将失效的通知重新发送到 Webhook，次数与新通知相同。";
    "Show a notice, and how far it has come." => "查看通知及其进展。";
    "List the requests (PKCS #10) of the signing keys, for a CA that is kept elsewhere." =>
        "列出签名密钥的证书请求（PKCS #10），供保存在别处的 CA 使用。";
    "Make a signing key. It signs half a minute later, when every replica knows it." =>
        "创建签名密钥。半分钟后所有副本都知道它时，开始用它签名。";
    "The algorithm of the key." => "密钥的算法。";
    "Make a key that seals credentials. It is used half a minute later, when every replica knows \
     it." =>
        "创建密封凭据的密钥。半分钟后所有副本都知道它时，开始使用它。";
    "Make a key that signs the audit's checkpoints. It signs after the next one, which announces \
     it." =>
        "创建签署审计检查点的密钥。下一个检查点宣布它之后，开始用它签署。";
    "Make the next CA. Registries trust it once they have the new bundle and were restarted." =>
        "创建下一个 CA。仓库服务得到新的证书包并重启后才信任它。";
    "Use the next CA. The registries must have been restarted with it." =>
        "启用下一个 CA。仓库服务必须已经以它重启。";
    "Drop the next CA." => "放弃下一个 CA。";
    "Remove the old CA from the bundle." => "从证书包中移除旧的 CA。";
    "Import the certificate of a CA that is kept elsewhere, as the next CA." =>
        "导入保存在别处的 CA 的证书，作为下一个 CA。";
    "Import a signing key's leaf certificate, signed by a CA that is kept elsewhere." =>
        "导入签名密钥的叶证书，由保存在别处的 CA 签署。";
    "The certificate: PEM, or DER in base64." => "证书：PEM，或 base64 编码的 DER。";
    "Make the next signing key of a zot instance. It is used once it is activated." =>
        "创建 zot 实例的下一个签名密钥。启用后才使用。";
    "Use the next signing key of a zot instance. The registry must be restarted with it." =>
        "启用 zot 实例的下一个签名密钥。仓库服务必须以它重启。";
    "Drop the next signing key of a zot instance." => "放弃 zot 实例的下一个签名密钥。";
    "List the audit's events, of actions and of refused requests, the oldest first." =>
        "列出审计中的事件，包括操作和被拒绝的请求，最早的在前。";
    "Only events of this action, such as tcr:CreateInstanceToken or registry.log-in. A * at the \
     end matches any ending." =>
        "只看此操作的事件，例如 tcr:CreateInstanceToken 或 registry.log-in。末尾的 * 匹配任意结尾。";
    "The newest event first." => "最新的事件在前。";
    "Only events about this credential or session, by its id." => "只看与此凭据或会话有关的事件，按其 ID。";
    "Only events about this instance, by its tcr- or cri- id, be it deleted." =>
        "只看与此实例有关的事件，按其 tcr- 或 cri- ID；已删除的实例也可以。";
    "Only events before this time, written like --since." => "只看此时间之前的事件，写法与 --since 相同。";
    "Only events from this time on: a time such as 2025-01-02T03:04:05Z, a day such as \
     2025-01-02 (its beginning in UTC), or an age: 30m, 12h, 7d. [default: 24h; all with \
     --request-id]" =>
        "只看此时间之后的事件：时间如 2025-01-02T03:04:05Z，日期如 2025-01-02（UTC 当天开始），或多久以前：30m、12h、\
         7d。[默认：24h；使用 --request-id 时为全部]";
    "Only events of clients at this address." => "只看此地址的客户端的事件。";
    "Only events of the request that was answered with this id." => "只看以此 ID 应答的请求的事件。";
    "Only events of this access key: calls that it signed, log-ins with what it got, and its own \
     changes. Refused callers that claimed it are among them." =>
        "只看此访问密钥的事件：它签署的调用、用它所得内容的登录，以及对它的修改。也包括声称使用它而被拒绝的调用者。";
    "Only events of this principal: 100000000001:root, 100000000001:user/NAME, \
     100000000001:role/NAME for all its sessions, or a service account's \
     100000000001:service-account/INSTANCE/NAME. The forms of lists, the audit and the clouds \
     work too. 100000000001:user#ID finds a deleted user." =>
        "只看此主体的事件：100000000001:root、100000000001:user/NAME、\
         100000000001:role/NAME（其所有会话），\
         或服务账号的 100000000001:service-account/INSTANCE/NAME。列表、审计和两家云的写法也可以。\
         100000000001:user#ID 用于已删除的用户。";
    "Only events with this outcome: ok, reduced (a token with fewer rights than requested), \
     refused, denied or failed." =>
        "只看此结果的事件：ok、reduced（令牌的权限少于所请求的）、refused、denied 或 failed。";
    "Follow the audit: the events that are stored from now on. With `since`, those from that \
     time on come before them." =>
        "跟踪审计：从现在起存储的事件。填写 `since` 时，先给出该时间之后的事件。";
    "The `after` of the answer before; without it, the audit is followed from now on." =>
        "上一个应答中的 `after`；不填则从现在起跟踪审计。";
    "The events that are wanted, without `until` and `reverse`." =>
        "需要哪些事件，不含 `until` 和 `reverse`。";
    "Make accounts, and what is in them, as a file says." => "按文件的声明创建账号及其中的内容。";
    "Whether the steps are planned and none is made." => "是否只规划步骤而不执行。";
    "The name of the file in messages." => "消息中显示的文件名。";
    "The `fingerprint` of the only steps that may be made: those that a dry run showed." =>
        "唯一允许执行的步骤的 `fingerprint`：即试运行显示的步骤。";
    "Whether objects are deleted that the file doesn't name, in the accounts that it names." =>
        "在文件列出的账号中，是否删除文件未列出的对象。";
    "With `prune`, whether empty instances are deleted, too." =>
        "启用 `prune` 时，是否也删除空的实例。";
    "The text of the file, in TOML." => "文件的文本，TOML 格式。";
    "Write accounts, and what is in them, as a file to apply. It holds no secret." =>
        "将账号及其中的内容写成可应用的文件。其中不含机密。";
    "The account's id; without it, all accounts." => "账号 ID；不填则为所有账号。";
    "Import the static users of a docker_auth configuration, with the rights that its list of \
     access rules gives them." =>
        "导入 docker_auth 配置中的静态用户，以及其访问规则赋予他们的权限。";
    "The id of the account that gets the users." => "得到这些用户的账号的 ID。";
    "Change nothing, and say what would be made and what isn't carried." =>
        "不做任何修改，只说明会创建什么、哪些不能带过来。";
    "Give old names and passwords also to users that the account has already. An old password \
     then gives all that the user may do at the instance." =>
        "账号中已有的用户也得到旧名称和旧密码。此后旧密码可以行使该用户在此实例上的所有权限。";
    "The days after which the old passwords stop, unless their users choose others." =>
        "多少天后旧密码失效，除非用户设置新密码。";
    "The instance's tcr- or cri- id: the old names log in there alone." =>
        "实例的 tcr- 或 cri- ID：旧名称只能在此登录。";
    "The names here, by the names there, of users that are named otherwise. They log in with the \
     old name." =>
        "名称不同的用户：原名称对应此处的名称。他们用旧名称登录。";
    "Import the others where some users are refused." => "部分用户被拒绝时，导入其余用户。";
    "The text of the file." => "文件的文本。";
    "Import the users of an htpasswd file. They have no rights but those that `pull` and `push` \
     give, and policies that are attached." =>
        "导入 htpasswd 文件中的用户。他们只有 `pull` 和 `push` 以及所附加的策略给予的权限。";
    "The namespaces that each user may pull from; `*` is all of the instance." =>
        "每个用户可以拉取的命名空间；`*` 表示实例的全部。";
    "The namespaces that each user may pull from and push to; `*` is all of the instance." =>
        "每个用户可以拉取和推送的命名空间；`*` 表示实例的全部。";
    "List the active credentials, service accounts and fixed passwords that end within a time, \
     the next first. Without an account, certificates and CAs are listed, too." =>
        "列出在期限内到期的有效凭据、服务账号和固定密码，最近到期的在前。未指定账号时，也列出证书和 CA。";
    "The time within which they end." => "到期的期限。";
    "List the active access keys, credentials, service accounts and fixed passwords that weren't \
     used for a time, the longest unused first. One that was never used counts from when it was \
     made, or from the first start of a release that records uses." =>
        "列出一段时间未使用的有效访问密钥、凭据、服务账号和固定密码，最久未用的在前。从未使用的从创建时算起，或从首次启动会记录使用的版本时算起。";
    "For how long they weren't used." => "未使用的时长。";
    "Show what was issued, exchanged and refused in the last time, and how long it took." =>
        "查看最近一段时间签发、换取和拒绝的情况，以及所用时间。";
    "How far back: 1h by minutes, 1d by quarters of an hour, 7d by hours, or 30d by quarters of \
     a day." =>
        "回溯多久：1h 按分钟，1d 按一刻钟，7d 按小时，30d 按四分之一天。";
    "Make a backup of all data, as the file that `transire restore` reads. Its secrets are \
     sealed by the master key, which is not in it." =>
        "备份所有数据，成为 `transire restore` 读取的文件。其中的机密由主密钥密封，主密钥不在文件中。";
    "Show the version, the schema, the database, the issuer, the replicas that run, and \
     warnings." =>
        "查看版本、架构版本、数据库、签发者、运行中的副本和警告。";
    "The `next` of the page before." => "上一页的 `next`。";
    "Say what an operation would do now. Nothing is done." => "说明某个操作现在会有什么后果。不会执行该操作。";
    "The name of the operation, such as DeleteUser." => "操作的名称，例如 DeleteUser。";
    "The fields of the operation's request." => "该操作的请求的字段。";
}
