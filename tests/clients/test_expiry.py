"""Time: the service's clock is moved from outside, and what should end then, ends.

Only transire sees the moved clock. The registry keeps the true time and would find tokens from the future not yet
valid, so what still works is asked of the token endpoint, and what must not, of docker as well.
"""

import re
import time
from collections.abc import Callable

import pytest
from alibabacloud_tea_openapi.exceptions import ClientException
from aliyunsdkcore.acs_exception.exceptions import ServerException
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

import alibaba
import tencent
from credential import Credential, exchange
from registry import Registry, assert_logs_in, assert_refused
from service import Account, Clock, Instance, Transire


def status(transire: Transire, instance: Instance, credential: Credential) -> int:
    """What the token endpoint answers; this, unlike the registry, knows the moved clock."""
    return exchange(transire.realm, instance, credential).status


@pytest.mark.parametrize("tool", ["docker", "skopeo"])
def test_a_temporary_credential_ends_after_an_hour(
    transire: Transire, clock: Clock, instance: Instance, registry: Registry, tool: str
) -> None:
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id)
    assert_logs_in(registry, credential, tool)
    clock.move("+59m")
    assert status(transire, instance, credential) == 200
    clock.move("+61m")
    assert status(transire, instance, credential) == 401
    assert_refused(registry, credential, tool)


@pytest.mark.parametrize(("hours", "before", "after"), [(None, "+59m", "+61m"), (3, "+179m", "+181m"), (24, "+1439m", "+1441m")])
def test_an_authorization_token_ends_when_asked(
    transire: Transire, clock: Clock, instance: Instance, registry: Registry, hours: int | None, before: str, after: str
) -> None:
    credential = alibaba.issue(transire, instance.account.key, instance.cri_id, hours)
    assert_logs_in(registry, credential)
    clock.move(before)
    assert status(transire, instance, credential) == 200
    clock.move(after)
    assert status(transire, instance, credential) == 401
    assert_refused(registry, credential)


def test_a_long_term_credential_ends_after_ten_years(
    transire: Transire, clock: Clock, instance: Instance, new_registry: Callable[..., Registry]
) -> None:
    credential = tencent.issue(transire, instance.account.key, instance.tcr_id, "longterm")
    assert_logs_in(new_registry(transire, instance), credential)
    for years_later, answers in (("+3649d", 200), ("+3651d", 401)):
        # Nothing runs for ten years: it is started anew.
        transire.stop()
        clock.move(years_later)
        transire.start()
        assert status(transire, instance, credential) == answers
    assert_refused(new_registry(transire, instance), credential)


@pytest.mark.parametrize("signing", [tencent.TC3, "HmacSHA1", "HmacSHA256"])
@pytest.mark.parametrize("direction", ["+", "-"])
def test_tencents_clients_may_be_five_minutes_off(
    transire: Transire, clock: Clock, account: Account, instance: Instance, signing: str, direction: str
) -> None:
    clock.move(f"{direction}4m")
    tencent.issue(transire, account.key, instance.tcr_id, signing=signing)
    clock.move(f"{direction}6m")
    with pytest.raises(TencentCloudSDKException) as caught:
        tencent.issue(transire, account.key, instance.tcr_id, signing=signing)
    assert caught.value.get_code() == "AuthFailure.SignatureExpire"
    # jeessy2/ddns-go#999, #1110: the figure says whose clock is wrong, and by how much.
    server_time = re.search(r"the server time (\d+)\.$", caught.value.get_message())
    assert server_time, caught.value.get_message()
    assert abs(int(server_time[1]) - time.time() - int(f"{direction}360")) < 60


@pytest.mark.parametrize("signing", [alibaba.ACS3, alibaba.V1])
@pytest.mark.parametrize("direction", ["+", "-"])
def test_alibabas_clients_may_be_fifteen_minutes_off(
    transire: Transire, clock: Clock, account: Account, instance: Instance, signing: str, direction: str
) -> None:
    clock.move(f"{direction}14m")
    alibaba.issue(transire, account.key, instance.cri_id, signing=signing)
    clock.move(f"{direction}16m")
    with pytest.raises(ClientException) as caught:
        alibaba.issue(transire, account.key, instance.cri_id, signing=signing)
    assert caught.value.code == "InvalidTimeStamp.Expired"
    assert "a request's may differ from it by 900 seconds" in caught.value.message
    with pytest.raises(ServerException) as caught_by_old:
        alibaba.ask_old(account.key, alibaba.old_request(transire, instance.cri_id))
    assert caught_by_old.value.get_error_code() == "InvalidTimeStamp.Expired"
