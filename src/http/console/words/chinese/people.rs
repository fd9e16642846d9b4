//! Chinese sentences about accounts, those who are in them, and what they may do.

sentences! {
    "The account's id or name." => "账号的 ID 或名称。";
    "Its name." => "名称。";
    "The user's name." => "用户名称。";
    "A description of it." => "描述。";
    "List the accounts." => "列出账号。";
    "Make an account." => "创建账号。";
    "Show an account." => "查看账号。";
    "Its numeric id." => "数字 ID。";
    "Its numeric id; without it, a random one." => "数字 ID；不填则随机生成。";
    "Change the rights of an account's users." => "修改账号的用户所拥有的权限。";
    "The rights that its users may grant to service accounts: own-rights, vendor, or default (as \
     the settings say)." =>
        "其用户可以授予服务账号的权限：own-rights、vendor 或 default（按设置）。";
    "The rights that its users may grant to service accounts. own-rights: those that their \
     policies allow them without a condition. vendor: any. [default: as the settings say]" =>
        "其用户可以授予服务账号的权限。own-rights：策略无条件允许他们的权限。vendor：任意权限。[默认：按设置]";
    "List an account's users." => "列出账号的用户。";
    "Make a user." => "创建用户。";
    "Show a user." => "查看用户。";
    "Stop a user, its access keys, and all credentials that it obtained." =>
        "停用用户、其访问密钥，以及它取得的所有凭据。";
    "Let a disabled user act again. Its temporary credentials stay stopped." =>
        "恢复已停用的用户。其临时凭据仍然失效。";
    "Delete a user, its access keys and its credentials. Service accounts that it made keep \
     working, and are listed." =>
        "删除用户、其访问密钥和凭据。它创建的服务账号继续有效，并会列出。";
    "List an account's groups and their members." => "列出账号的用户组及其成员。";
    "Make a group." => "创建用户组。";
    "Delete a group; its members are not deleted." => "删除用户组；其成员不会被删除。";
    "Show a group and its members." => "查看用户组及其成员。";
    "Remove a user from a group." => "从用户组中移除用户。";
    "Add a user to a group." => "向用户组中添加用户。";
    "The group's name." => "用户组名称。";
    "List the access keys." => "列出访问密钥。";
    "List only this account's keys." => "只列出此账号的密钥。";
    "Make an access key of an account's root user or of another user. Its secret is shown this \
     once." =>
        "为账号的 root 用户或其他用户创建访问密钥。其机密只显示这一次。";
    "The user's name; without it, the key is the root user's." => "用户名称；不填则密钥属于 root 用户。";
    "Stop an access key for ever, and the temporary credentials that it obtained." =>
        "永久停用访问密钥，以及它取得的临时凭据。";
    "The access key's id." => "访问密钥的 ID。";
    "Show an access key, without its secret." => "查看访问密钥，不含其机密。";
    "Stop an access key and the temporary credentials that it obtained. The audit lists its \
     long-term ones." =>
        "停用访问密钥及其取得的临时凭据。它取得的长期凭据见审计。";
    "Let a disabled access key sign again." => "让已停用的访问密钥重新可以签名。";
    "List an account's roles." => "列出账号的角色。";
    "Make a role. The principals that its trust policy names may assume it." =>
        "创建角色。其信任策略指明的主体可以扮演它。";
    "The maximum life of a session: 1h to 12h." => "会话的最长有效期：1h 至 12h。";
    "The trust policy, in CAM's or RAM's language: it names the principals that may assume the \
     role." =>
        "信任策略，用 CAM 或 RAM 的语法：指明可以扮演此角色的主体。";
    "Delete a role. Its sessions stop, and all credentials that they obtained." =>
        "删除角色。其会话以及会话取得的所有凭据随之失效。";
    "Show a role, with its trust policy." => "查看角色及其信任策略。";
    "Change a role's trust policy, or the longest life of its sessions. Its sessions go on." =>
        "修改角色的信任策略或会话的最长有效期。已有会话继续有效。";
    "Another trust policy." => "新的信任策略。";
    "Say whether a role accepts an OpenID Connect token, and which conditions it doesn't meet." =>
        "说明角色是否接受某个 OpenID Connect 令牌，以及令牌未满足哪些条件。";
    "The role's name." => "角色名称。";
    "The token." => "令牌。";
    "List an account's policies, and the objects to which they are attached." =>
        "列出账号的策略及其附加到的对象。";
    "Make a policy of a document." => "用一份文档创建策略。";
    "The document, in CAM (`\"version\": \"2.0\"`) or RAM (`\"Version\": \"1\"`)." =>
        "文档，用 CAM（`\"version\": \"2.0\"`）或 RAM（`\"Version\": \"1\"`）的语法。";
    "Delete a policy, which must not be attached." => "删除策略；它不能仍附加在任何对象上。";
    "Show a policy's document; built-in policies work too." => "查看策略的文档；内置策略也可以查看。";
    "Replace a policy's document." => "替换策略的文档。";
    "Attach one of the account's policies, or a built-in one, to a user, a group or a role." =>
        "将账号的策略或内置策略附加到用户、用户组或角色。";
    "Detach a policy." => "解除策略。";
    "Check a document as it is checked when it is saved. Nothing is saved." =>
        "按保存时的规则检查文档。不会保存任何内容。";
    "The document." => "文档。";
    "Its use; without it, it is a policy." => "用途；不填则视为策略。";
    "Say whether a principal may do something, and which statement decides." =>
        "说明某个主体能否执行某个操作，以及由哪条语句决定。";
    "The action: pull, push, delete, list-catalog, or an action's name such as \
     tcr:CreateInstanceToken." =>
        "操作：pull、push、delete、list-catalog，或操作名，例如 tcr:CreateInstanceToken。";
    "The resource: an instance's id, or that and a repository." => "资源：实例 ID，或实例 ID 加仓库。";
    "The role that the token logs in as; without it, the one that trusts the token." =>
        "令牌登录时使用的角色；不填则为信任该令牌的角色。";
    "The document of the session policy." => "会话策略的文档。";
    "The access key that signs the call, or that asked for the credential." =>
        "签署该调用或申请该凭据的访问密钥。";
    "The client's address; without it, no allow list matches." => "客户端地址；不填则不匹配任何白名单。";
    "The long-term credential that logs in." => "用来登录的长期凭据。";
    "The owner of the credential or the service account that the action changes: tcr:owner and \
     cr:Owner in policies." =>
        "被该操作修改的凭据或服务账号的所有者：策略中的 tcr:owner 和 cr:Owner。";
    "An OpenID Connect token, instead of a principal." => "代替主体的 OpenID Connect 令牌。";
    "The time: one such as 2025-01-02T03:04:05Z, a day or an age; without it, now." =>
        "时间：例如 2025-01-02T03:04:05Z、一个日期或多久以前；不填则为现在。";
    "List who may do an action on a resource, page by page." => "分页列出谁可以对某个资源执行某个操作。";
    "The action." => "操作。";
    "Explain a request out of the audit, by the id that its client was told." =>
        "按客户端得到的请求 ID，解释审计中的一个请求。";
    "The request's id." => "请求 ID。";
    "How far back the audit is searched: a time, a day or an age. Without it, a day." =>
        "审计回溯的范围：时间、日期或多久以前。不填则为一天。";
    "List what a principal may do, statement by statement." => "逐条语句列出某个主体可以做什么。";
    "The principal." => "主体。";
    "List an account's providers." => "列出账号的身份提供商。";
    "Make a provider: an issuer whose tokens the account's roles may trust." =>
        "创建身份提供商：账号的角色可以信任其令牌的签发者。";
    "An algorithm that may sign tokens, such as RS256. The option may be repeated; without it \
     and without a preset, all known ones may." =>
        "可以签署令牌的算法，例如 RS256。可以填多个；不填且没有预设平台时，允许所有已知算法。";
    "An audience. A token must have one of them; the option may be repeated." =>
        "受众。令牌必须包含其中之一；可以填多个。";
    "The issuer, exactly as in its tokens: an https URL." => "签发者，与令牌中完全一致：一个 https 地址。";
    "The issuer's public keys, a JWK set. Without it they are fetched from the issuer." =>
        "签发者的公钥，即一个 JWK 集。不填则从签发者获取。";
    "A platform, which fills in the issuer and the algorithms: github, gitlab, kubernetes, \
     forgejo or buildkite. It suggests a trust policy, too." =>
        "平台，会填好签发者和算法：github、gitlab、kubernetes、forgejo 或 buildkite。还会给出建议的信任策略。";
    "Delete a provider: its tokens are refused from then on." => "删除身份提供商：此后拒绝它的令牌。";
    "Show a provider, with the keys that were given." => "查看身份提供商以及登记的公钥。";
    "Change a provider's keys, audiences or algorithms. Sessions go on." =>
        "修改身份提供商的公钥、受众或算法。已有会话继续有效。";
    "An algorithm that may sign tokens, such as RS256. The option may be repeated; algorithms \
     that it doesn't name are removed." =>
        "可以签署令牌的算法，例如 RS256。可以填多个；未填的算法会被移除。";
    "An audience. The option may be repeated; audiences that it doesn't name are removed." =>
        "受众。可以填多个；未填的受众会被移除。";
    "The issuer's public keys, a JWK set, in place of those given or fetched. It may hold old \
     and new keys." =>
        "签发者的公钥，即一个 JWK 集，代替已登记或已获取的公钥。可以同时包含新旧公钥。";
    "Say whether a token is accepted, and show its content." => "说明令牌是否被接受，并显示其内容。";
    "The provider's name." => "身份提供商名称。";
    "List the subjects that an account refuses: see `transire revoke --subject`." =>
        "列出账号拒绝的主体：参见 `transire revoke --subject`。";
    "Accept a refused subject again." => "重新接受被拒绝的主体。";
    "The id of the account." => "账号 ID。";
    "Their issuer, where the account has no provider of it." => "令牌的签发者；账号没有其身份提供商时填写。";
    "The provider of the tokens." => "令牌的身份提供商。";
    "The subject, whole and without wildcards." => "完整的主体，不含通配符。";
    "Refuse the OpenID Connect tokens of a subject, until that is taken back." =>
        "拒绝某个主体的 OpenID Connect 令牌，直到撤回此操作。";
    "Stop every temporary credential, session and refresh token of a principal, and the service \
     accounts that it made. Or stop one credential." =>
        "停用某个主体的所有临时凭据、会话和刷新令牌，以及它创建的服务账号；或只停用一个凭据。";
    "The principal. For a session, everything of its role or its user stops, unless a credential \
     is named." =>
        "主体。如果是会话，除非指定凭据，否则其角色或用户的一切都会停用。";
    "Stop only this credential or session, by its id from the audit. A long-term credential is \
     disabled." =>
        "只停用此凭据或会话，使用审计中的 ID。长期凭据会变为停用状态。";
    "List the operators." => "列出操作员。";
    "Make an operator. Its token is shown this once." => "创建操作员。其令牌只显示这一次。";
    "The account of an account-admin." => "account-admin 的账号。";
    "The role. admin: everything. auditor: reads everything, and changes nothing. account-admin: \
     what is in one account." =>
        "角色。admin：一切。auditor：可读取一切，不能修改。account-admin：一个账号之内的内容。";
    "Refuse an operator's token for ever." => "永久拒绝操作员的令牌。";
    "Show an operator." => "查看操作员。";
    "Refuse an operator's token until the operator is enabled again." =>
        "拒绝操作员的令牌，直到重新启用该操作员。";
    "Take a disabled operator's token again." => "重新接受已停用的操作员的令牌。";
    "Give an operator another token, which is shown this once." => "给操作员换一个令牌，新令牌只显示这一次。";
    "How long the previous token stays valid: at most 30d; with 0 it ends at once." =>
        "旧令牌还能使用多久：最长 30d；填 0 则立即失效。";
}
