package transiremock_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"example.com/transiremock"
)

const hour = 3600

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func keyed(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// authorization signs as Tencent Cloud's TC3-HMAC-SHA256 has it.
func authorization(mock *transiremock.Mock, body string, at time.Time) string {
	headers := "content-type:application/json\nhost:" + mock.Listening + "\n"
	request := "POST\n/\n\n" + headers + "\ncontent-type;host\n" + hash(body)
	date := at.UTC().Format("2006-01-02")
	scope := date + "/tcr/tc3_request"
	toSign := fmt.Sprintf("TC3-HMAC-SHA256\n%d\n%s\n%s", at.Unix(), scope, hash(request))
	key := keyed([]byte("TC3"+mock.Tencent.SecretKey), date)
	signature := hex.EncodeToString(keyed(keyed(keyed(key, "tcr"), "tc3_request"), toSign))
	return fmt.Sprintf("TC3-HMAC-SHA256 Credential=%s/%s, SignedHeaders=content-type;host, Signature=%s",
		mock.Tencent.SecretID, scope, signature)
}

type credential struct{ Username, Token string }

func issue(t *testing.T, mock *transiremock.Mock) credential {
	t.Helper()
	body, now := fmt.Sprintf(`{"RegistryId":%q}`, mock.Tencent.RegistryID), time.Now()
	request, err := http.NewRequest("POST", "http://"+mock.Listening+"/", bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Authorization":  authorization(mock, body, now),
		"Content-Type":   "application/json",
		"X-TC-Action":    "CreateInstanceToken",
		"X-TC-Version":   "2019-09-24",
		"X-TC-Region":    mock.Tencent.Region,
		"X-TC-Timestamp": fmt.Sprint(now.Unix()),
	} {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var made struct {
		Response struct {
			credential
			Error any
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&made); err != nil || made.Response.Error != nil {
		t.Fatal(err, made.Response.Error)
	}
	return made.Response.credential
}

func logIn(t *testing.T, mock *transiremock.Mock, with credential) int {
	t.Helper()
	request, err := http.NewRequest("GET", "http://"+mock.Listening+"/token?service="+url.QueryEscape(mock.Service), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(with.Username, with.Token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

func TestACredentialEndsWhenTheClockIsMovedAndANewOneIsMade(t *testing.T) {
	mock := transiremock.Start(t)
	first := issue(t, mock)
	if status := logIn(t, mock, first); status != 200 {
		t.Fatalf("the log-in: %d", status)
	}
	if state := mock.Advance(hour + 60); state.AdvancedSeconds != hour+60 {
		t.Fatalf("the clock: %+v", state)
	}
	if status := logIn(t, mock, first); status != 401 {
		t.Fatalf("the log-in an hour later: %d", status)
	}
	if status := logIn(t, mock, issue(t, mock)); status != 200 {
		t.Fatalf("the log-in with a new one: %d", status)
	}
}
