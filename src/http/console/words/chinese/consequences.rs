//! Chinese sentences about what an operation would do.

sentences! {
    "The new key is published at once, and signs from {0} on." => "新密钥立即公布，从 {0} 起用于签名。";
    "The CA is kept elsewhere: the new key signs once its certificate was imported." =>
        "CA 保存在别处：导入新密钥的证书之后，才用它签名。";
    "No key is made: the key {0} waits for its certificate already." =>
        "不会创建密钥：密钥 {0} 已在等待证书。";
    "The key {0} stays published until {1}, so the tokens that it signed stay good until they \
     expire." =>
        "密钥 {0} 仍公布到 {1}，因此它签署的令牌在到期之前一直有效。";
    "Registries trust the new key by the CA: none has to be restarted." =>
        "仓库服务通过 CA 信任新密钥：都不需要重启。";
    "The new key seals credentials from {0} on." => "新密钥从 {0} 起用于密封凭据。";
    "The older keys are kept: the credentials that they sealed stay good." =>
        "旧密钥会保留：它们密封的凭据仍然有效。";
    "The next CA comes into the bundle. Nothing is signed under it until you activate it." =>
        "下一个 CA 会加入证书包。启用之前不会用它签署任何内容。";
    "Give every registry the new bundle and restart it before you activate the next CA." =>
        "启用下一个 CA 之前，请把新的证书包交给每个仓库服务并重启它。";
    "Tokens have certificates of the CA {0} at once. A registry that wasn't restarted with the \
     new bundle refuses every token." =>
        "令牌立即使用 CA {0} 的证书。未以新证书包重启的仓库服务会拒绝所有令牌。";
    "The CA {0} stays in the bundle; it can be retired from {1} on." =>
        "CA {0} 仍在证书包中；从 {1} 起可以停用它。";
    "The next CA {0} leaves the bundle. The one in use stays as it is." =>
        "下一个 CA {0} 会从证书包中移除。使用中的 CA 不变。";
    "The CA {0} leaves the bundle. Registries drop it at their next restart with the new \
     bundle." =>
        "CA {0} 会从证书包中移除。仓库服务下次以新证书包重启后不再信任它。";
    "The present key signs until you activate the next one." => "启用下一个密钥之前，仍用现有密钥签名。";
    "The next key signs at once. The registry refuses every token until it is restarted with \
     that key." =>
        "立即用下一个密钥签名。仓库服务以该密钥重启之前会拒绝所有令牌。";
    "The next key is dropped. The present one signs as before." => "放弃下一个密钥。现有密钥照常签名。";
    "Its active access keys ({0}) and long-term credentials ({1}) are deleted, and refused at \
     once." =>
        "它的有效访问密钥（{0} 个）和长期凭据（{1} 个）会被删除，并立即被拒绝。";
    "Its active access keys ({0}) and long-term credentials ({1}) are refused at once, until the \
     user is enabled." =>
        "它的有效访问密钥（{0} 个）和长期凭据（{1} 个）立即被拒绝，直到重新启用该用户。";
    "Temporary credentials and sessions that it obtained are refused at once, and never work \
     again." =>
        "它取得的临时凭据和会话立即被拒绝，且不会恢复。";
    "Registry tokens that clients hold already last until they expire, at {0} at the latest." =>
        "客户端已持有的仓库令牌在到期之前仍然有效，最晚到 {0}。";
    "The service accounts that it made ({0}) keep working." => "它创建的服务账号（{0} 个）继续有效。";
    "The service accounts that it made ({0}) are disabled." => "它创建的服务账号（{0} 个）会被停用。";
    "Calls that the key signs are refused at once." => "用此密钥签署的调用立即被拒绝。";
    "It was last used in the hour from {0} on." => "最近一次使用在 {0} 起的一小时内。";
    "It was never used, as far as is recorded." => "从记录来看，从未使用过。";
    "Log-ins with it are refused at once." => "用它登录立即被拒绝。";
    "It may obtain new ones: disable the principal to prevent that." =>
        "它仍可取得新的凭据：要阻止，请停用该主体。";
    "The present secret is accepted, too, until {0}." => "现有机密在 {0} 之前仍可使用。";
    "The present secret is refused at once." => "现有机密立即失效。";
    "The secret before it was to be accepted until {0}, and is refused at once." =>
        "再之前的机密原可使用到 {0}，现在立即失效。";
    "Its token and its sessions in the console are refused at once." =>
        "它的令牌和控制台会话立即被拒绝。";
    "Its sessions, and the credentials that they obtained, are refused at once." =>
        "它的会话以及会话取得的凭据立即被拒绝。";
    "Its users ({0}) lose the policies that are attached to the group." =>
        "其中的用户（{0} 个）失去附加到该用户组的策略。";
    "It has {0} namespaces, {1} long-term credentials and {2} service accounts." =>
        "它有 {0} 个命名空间、{1} 个长期凭据和 {2} 个服务账号。";
    "It isn't deleted while it has any, unless you delete them with it." =>
        "只要其中还有内容就不会删除，除非连同内容一起删除。";
    "Log-ins at it are refused at once. Images stay in the registry." =>
        "在此实例的登录立即被拒绝。镜像仍留在仓库服务中。";
    "It has {0} recorded repositories. Images stay in the registry." =>
        "它有 {0} 个已登记的仓库。镜像仍留在仓库服务中。";
    "Images that are deleted from the registry, each with all of its tags: {0}." =>
        "将从仓库服务中删除的镜像（连同其全部标签）：{0} 个。";
    "Service accounts lose their permissions in it." => "服务账号失去在其中的权限。";
}
