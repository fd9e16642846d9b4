//! Chinese sentences about instances, what is in them, and what logs in there.

sentences! {
    "The instance's tcr- or cri- id, or its name." => "实例的 tcr- 或 cri- ID，或其名称。";
    "The instance's tcr- or cri- id." => "实例的 tcr- 或 cri- ID。";
    "The namespace's name." => "命名空间名称。";
    "List the instances." => "列出实例。";
    "Make an instance." => "创建实例。";
    "The account that owns it." => "拥有它的账号。";
    "The algorithm that signs its tokens: ES256 or RS256." => "签署其令牌的算法：ES256 或 RS256。";
    "Use it for the account's calls that name no instance." => "账号的调用未指明实例时使用此实例。";
    "The issuer that its tokens name. Without it, the store's; for pulp, its realm." =>
        "其令牌中的签发者。不填则使用全局签发者；pulp 使用其 realm。";
    "The form of the key id in its tokens: thumbprint (RFC 7638) or libtrust." =>
        "其令牌中密钥 ID 的形式：thumbprint（RFC 7638）或 libtrust。";
    "The software of its registry: distribution (CNCF Distribution, and software that checks \
     tokens in the same way), zot or pulp. The last two get a signing key of their own." =>
        "仓库服务所用的软件：distribution（CNCF Distribution，以及以相同方式校验令牌的软件）、zot 或 pulp。后两种有各自的签名密钥。";
    "Whether `docker login` gets a refresh token to store instead of the password. Podman, \
     buildah, skopeo, oras-py and Kubernetes' pull secrets can't use the file then." =>
        "`docker login` 是否得到刷新令牌，用来代替密码保存。此时 Podman、buildah、skopeo、\
         oras-py 和 Kubernetes 的拉取密钥不能使用该文件。";
    "The region that it reports." => "它报告的地域。";
    "The URL at which the registry answers." => "仓库服务的地址。";
    "The registry's service name: a token's audience, and the service in the registry's \
     challenge. Any text, such as its host name; no two instances share one, ever." =>
        "仓库服务的服务名：令牌的受众，也是仓库服务质询中的 service。可以是任意文本，例如主机名；任何两个实例都不能相同，即使实例已删除。";
    "Its size, which decides its quotas: basic, standard or premium." =>
        "规格，决定其配额：basic、standard 或 premium。";
    "Whether OpenID Connect tokens of the account's providers log in, as passwords." =>
        "账号的身份提供商的 OpenID Connect 令牌能否作为密码登录。";
    "The life of its tokens, such as 5m. Without it 5m, for zot 1h." =>
        "其令牌的有效期，例如 5m。不填则为 5m，zot 为 1h。";
    "Delete an instance for ever. No other instance can have its service." =>
        "永久删除实例。其他实例不能再使用它的服务名。";
    "Delete its namespaces, repositories, long-term credentials and service accounts, too." =>
        "同时删除其命名空间、仓库、长期凭据和服务账号。";
    "Show an instance." => "查看实例。";
    "Change an instance." => "修改实例。";
    "Switch its tokens to the prepared issuer. Restart its registry with that issuer at the same \
     moment." =>
        "将其令牌切换到准备好的签发者。请同时以该签发者重启仓库服务。";
    "Drop the prepared issuer." => "放弃准备好的签发者。";
    "Prepare another issuer for its tokens: `registry-config` writes it, and `--activate` \
     switches to it." =>
        "为其令牌准备另一个签发者：`registry-config` 写出它，`--activate` 切换到它。";
    "The host that it answers to as an ECR registry, perhaps with a port. Without it, the \
     service." =>
        "作为 ECR 镜像仓库应答的主机名，可带端口。不填则为服务名。";
    "The host that it answers to as an ECR registry, perhaps with a port." =>
        "作为 ECR 镜像仓库应答的主机名，可带端口。";
    "Let it answer to its service as an ECR registry." => "作为 ECR 镜像仓库时以服务名应答。";
    "Remove the registry's URL." => "清除仓库服务的地址。";
    "Refuse all refresh tokens that were issued before, for ever. Their holders have to log in \
     again." =>
        "永久拒绝此前签发的所有刷新令牌。持有者必须重新登录。";
    "Whether `docker login` gets a refresh token to store instead of the password. Issued ones \
     stay good." =>
        "`docker login` 是否得到刷新令牌，用来代替密码保存。已签发的仍然有效。";
    "Whether clients can log in: the addresses of the allow list, or, without one, all." =>
        "客户端能否登录：白名单中的地址；没有白名单则为所有地址。";
    "Whether deletion is refused." => "是否拒绝删除。";
    "List only what is of this account." => "只列出属于此账号的内容。";
    "Disable the list but keep its entries: every address may log in." =>
        "停用白名单但保留条目：任何地址都可以登录。";
    "Enable the list." => "启用白名单。";
    "List the entries, in the order in which they were added." => "按添加顺序列出条目。";
    "Let clients at these addresses log in. From then on no other address may." =>
        "允许这些地址的客户端登录。此后其他地址不能登录。";
    "An address, or a range such as 192.0.2.0/24." => "一个地址或地址段，例如 192.0.2.0/24。";
    "The purpose of the entry." => "条目的用途。";
    "Remove an entry. An empty list that is enabled lets nobody in." =>
        "移除条目。启用的白名单为空时，谁也不能登录。";
    "The entry's address or range." => "条目的地址或地址段。";
    "List an instance's long-term credentials, the newest first." => "列出实例的长期凭据，最新在前。";
    "Make a long-term credential of an account's root user or of another user. Its secret is \
     shown this once." =>
        "为账号的 root 用户或其他用户创建长期凭据。其机密只显示这一次。";
    "The user's name; without it, the credential is the root user's." =>
        "用户名称；不填则凭据属于 root 用户。";
    "Delete a credential. Its secrets are refused for ever." => "删除凭据。其机密将永久被拒绝。";
    "The credential's id." => "凭据 ID。";
    "Show a long-term credential, without its secret." => "查看长期凭据，不含其机密。";
    "Stop a credential until it is enabled again." => "停用凭据，直到重新启用。";
    "Let a disabled credential log in again." => "让已停用的凭据重新可以登录。";
    "Give a long-term credential another secret, which is shown this once. One from before the \
     last rotation is refused at once." =>
        "给长期凭据换一个机密，新机密只显示这一次。上一次轮换之前的机密立即失效。";
    "How long the previous secret stays valid: at most 30d; with 0 it ends at once." =>
        "旧机密还能使用多久：最长 30d；填 0 则立即失效。";
    "List an instance's fixed passwords, and which of them have their old hash still." =>
        "列出实例的固定密码，以及其中哪些仍使用旧哈希。";
    "Delete a fixed password, which its owner set with ResetLoginPassword and may set again." =>
        "删除固定密码；它由所有者用 ResetLoginPassword 设置，之后可以再次设置。";
    "The owner: ACCOUNT:root or ACCOUNT:user/NAME." =>
        "所有者：ACCOUNT:root 或 ACCOUNT:user/NAME。";
    "List the recorded namespaces, the oldest first." => "列出已登记的命名空间，最早的在前。";
    "Record a namespace." => "登记命名空间。";
    "Allow pushes only to recorded repositories." => "只允许推送到已登记的仓库。";
    "Let anyone pull from it without a log-in." => "允许任何人不登录即可拉取。";
    "Delete a namespace's record; its images stay in the registry." =>
        "删除命名空间的登记；其镜像仍留在仓库服务中。";
    "Delete the records of its repositories, too." => "同时删除其中仓库的登记。";
    "Show a recorded namespace." => "查看已登记的命名空间。";
    "Choose whether unrecorded namespaces accept pushes." => "选择未登记的命名空间是否接受推送。";
    "open: callers with the right may push; closed: nobody may." =>
        "open：有权限的调用者可以推送；closed：谁也不能推送。";
    "List the recorded repositories, by name." => "按名称列出已登记的仓库。";
    "List only this namespace's repositories." => "只列出此命名空间的仓库。";
    "Record a repository, which allows pushes to it." => "登记仓库，从而允许推送到它。";
    "The repository's name, without its namespace." => "仓库名称，不含命名空间。";
    "Record the repositories that an instance's registry has already, and their namespaces." =>
        "登记实例的仓库服务中已有的仓库及其命名空间。";
    "Delete a repository's record; its images stay in the registry." =>
        "删除仓库的登记；其镜像仍留在仓库服务中。";
    "Delete the images that a repository's lifecycle policy expires, each with all of its tags." =>
        "删除仓库的生命周期策略判定为过期的镜像，连同其全部标签。";
    "Delete nothing, and say what would go." => "不删除任何内容，只说明将删除什么。";
    "Show a recorded repository." => "查看已登记的仓库。";
    "List an instance's service accounts." => "列出实例的服务账号。";
    "Make a service account. Its password is shown this once." => "创建服务账号。其密码只显示这一次。";
    "Its name, with `tcr$` or without." => "名称，带不带 `tcr$` 均可。";
    "A namespace, and the actions that it may take there: team:pull,push." =>
        "一个命名空间，以及在其中可以执行的操作：team:pull,push。";
    "How long it lives; without it, 3650 days." => "有效期；不填则为 3650 天。";
    "Delete a service account for ever. Its name is free again." => "永久删除服务账号。其名称可以再次使用。";
    "Show a service account, without its password and permissions." => "查看服务账号，不含其密码和权限。";
    "Stop a service account. Only the account's root user and the operator can enable it \
     again." =>
        "停用服务账号。只有账号的 root 用户和操作员可以重新启用它。";
    "Let a disabled service account log in again." => "让已停用的服务账号重新可以登录。";
    "Give a service account another password, which is shown this once. One from before the last \
     rotation is refused at once." =>
        "给服务账号换一个密码，新密码只显示这一次。上一次轮换之前的密码立即失效。";
    "How long the previous password stays valid: at most 30d; with 0 it ends at once." =>
        "旧密码还能使用多久：最长 30d；填 0 则立即失效。";
    "List the service accounts that a principal made, at any instance." =>
        "列出某个主体在所有实例上创建的服务账号。";
    "The maker: ACCOUNT:root, ACCOUNT:user/NAME, ACCOUNT:role/NAME, or ACCOUNT:user#ID for a \
     deleted user. Service accounts that its sessions made are listed, too." =>
        "创建者：ACCOUNT:root、ACCOUNT:user/NAME、ACCOUNT:role/NAME；已删除的用户用 ACCOUNT:user#ID。\
         其会话创建的服务账号也会列出。";
    "Show the files with which a registry trusts an instance's tokens. Nothing is written." =>
        "查看让仓库服务信任实例令牌的文件。不会写入任何文件。";
    "The absolute path of the files' folder, on the registry's machine." =>
        "这些文件在仓库服务所在机器上的目录的绝对路径。";
    "The key of a zot or Pulp instance: in-use, unless it says otherwise." =>
        "zot 或 Pulp 实例的密钥：不填则为 in-use。";
    "The kind of registry, which has to be the instance's own: distribution, zot or pulp." =>
        "仓库服务的类型，必须与实例的类型一致：distribution、zot 或 pulp。";
    "The address at which the registry listens; without it, 127.0.0.1:5000." =>
        "仓库服务的监听地址；不填则为 127.0.0.1:5000。";
    "The URL to which the registry sends its clients for a token; without it, public_url and \
     /token." =>
        "仓库服务让客户端去取令牌的地址；不填则为 public_url 加 /token。";
    "The absolute path of the folder of the registry's images; without it, `storage` beside the \
     configuration." =>
        "仓库服务存放镜像的目录的绝对路径；不填则为配置旁边的 `storage`。";
}
