// Package transiremock starts a `transire mock` for a test: copy this file into your module.
//
//	mock := transiremock.Start(t)
//
// The program is `transire` on the path, or the one that the variable TRANSIRE_TEST_PROGRAM names.
package transiremock

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"testing"
)

// Mock is a mock that runs until its test ends. Its fields are what the mock printed (docs/mock.md).
type Mock struct {
	// Listening is host and port, which both clouds' SDKs take as their endpoint, with HTTP as the protocol.
	Listening string `json:"listening"`
	URL       string `json:"url"`
	AccountID string `json:"account_id"`
	// Service is the audience of the instance's tokens.
	Service string `json:"service"`
	Tencent struct {
		SecretID   string `json:"secret_id"`
		SecretKey  string `json:"secret_key"`
		Region     string `json:"region"`
		RegistryID string `json:"registry_id"`
	} `json:"tencent"`
	Alibaba struct {
		AccessKeyID     string `json:"access_key_id"`
		AccessKeySecret string `json:"access_key_secret"`
		Region          string `json:"region"`
		InstanceID      string `json:"instance_id"`
	} `json:"alibaba"`
	// Registry is the registry's host and port, of a mock that was started with --registry.
	Registry string `json:"registry"`

	t testing.TB
}

// ClockState is where the mock's clock is.
type ClockState struct {
	UnixSeconds     int64  `json:"unix_seconds"`
	AdvancedSeconds uint64 `json:"advanced_seconds"`
}

// Start starts a mock that ends with the test.
func Start(t testing.TB, options ...string) *Mock {
	t.Helper()
	program := os.Getenv("TRANSIRE_TEST_PROGRAM")
	if program == "" {
		program = "transire"
	}
	command := exec.Command(program, append([]string{"mock", "--end-with-stdin"}, options...)...)
	var errors bytes.Buffer
	command.Stderr = &errors
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		command.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		stdin.Close()
		command.Wait()
		t.Fatalf("transire mock did not start: %s", errors.String())
	}
	mock := &Mock{t: t}
	if err := json.Unmarshal(line, mock); err != nil {
		t.Fatal(err)
	}
	return mock
}

// Advance moves the mock's clock ahead, and returns where it is.
func (m *Mock) Advance(seconds uint64) ClockState {
	m.t.Helper()
	body := fmt.Sprintf(`{"advance_seconds": %d}`, seconds)
	return m.clock(http.Post("http://"+m.Listening+"/mock/clock", "application/json", bytes.NewBufferString(body)))
}

// Clock returns where the mock's clock is.
func (m *Mock) Clock() ClockState {
	m.t.Helper()
	return m.clock(http.Get("http://" + m.Listening + "/mock/clock"))
}

func (m *Mock) clock(answer *http.Response, err error) (state ClockState) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		m.t.Fatalf("the clock: %s %s %v", answer.Status, body, err)
	}
	if err := json.Unmarshal(body, &state); err != nil {
		m.t.Fatal(err)
	}
	return state
}
