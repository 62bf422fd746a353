"""A stand-in for the services that agents talk to: the prompt holds the script of what the model will do.

Lines of it that begin with `MODEL: `, in any order:
  task WORD          whom to put on the bill
  run COMMAND        what the shell is told: one a request; then the model says that it has done it
  again COMMAND      what it is told when it is told more after that (else the last of those)
  status N [TIMES]   answer this HTTP status, always or so many times
  hang [TIMES]       begin the answer and never end it, always or so many times
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
CACHED, OUTPUT = 40, 20
_SHELLS = ("Bash", "exec_command", "shell", "run_shell_command", "bash")
_REASONS = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


@dataclass
class Limit:
    """A usage limit of the account: it begins at the N-th request since the last one was over."""

    after: int
    seconds: float
    is_told: bool = True
    until: float = 0


@dataclass(frozen=True)
class Request:
    """A request for the model, when it came, how it was answered and what for that was charged."""

    at: float
    task: str
    turns: int
    #: What the agent was told last.
    last: str
    status: int
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass
class Conversation:
    """What a request holds, in whatever protocol: who has said what, and which tools there are."""

    turns: list[tuple[str, str]] = field(default_factory=list)
    tools: dict[str, Json] = field(default_factory=dict)

    def add(self, who: str, text: str) -> None:
        # What an agent adds of its own stands in brackets.
        if who != "user" or not text.lstrip().startswith("<"):
            self.turns.append((who, text))

    def told(self, word: str) -> list[str]:
        scripts = [text for who, text in self.turns if who == "user" and "MODEL: " in text]
        lines = scripts[-1].splitlines() if scripts else []
        return [line.partition(f"MODEL: {word}")[2].strip() for line in lines if f"MODEL: {word}" in line]

    @property
    def task(self) -> str:
        return "".join(self.told("task"))

    @property
    def has_shell(self) -> bool:
        return bool(self.tools.keys() & set(_SHELLS))

    @property
    def command(self) -> str | None:
        """Say what the shell is to run now."""
        commands = self.told("run") if self.has_shell else []
        done = sum(who == "tool" for who, _ in self.turns)
        if done < len(commands):
            return commands[done]
        heard = [who for who, _ in self.turns if who in ("user", "tool")]
        return (self.told("again") or commands)[-1] if commands and heard[-1] == "user" else None

    def call(self, command: str) -> tuple[str, Json]:
        name = next(name for name in _SHELLS if name in self.tools)
        takes = self.tools[name].get("properties", {})
        arguments: Json = {
            word: "as told" for word in self.tools[name].get("required", []) if word == "description"
        }
        word = "cmd" if "cmd" in takes else "command"
        is_list = takes.get(word, {}).get("type") == "array"
        return name, {**arguments, word: ["bash", "-c", command] if is_list else command}


@dataclass(frozen=True)
class Answer:
    """What the model answers: some text, and what it wants the shell to run."""

    text: str
    call: tuple[str, Json] | None
    charged: int
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:24])


Speak = Callable[[Answer], Iterator[Json]]


def _flat(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(_flat(part) for part in content)
    return str(content.get("text", "")) if isinstance(content, dict) else str(content or "")


class Service:
    """The stand-in, in threads of this process, for one account."""

    def __init__(self, *limits: Limit) -> None:
        self.limits = list(limits)
        self.requests: list[Request] = []
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._seen = 0
        self._times: dict[tuple[str, str], int] = {}
        handler = type("Handler", (_Handler,), {"service": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def of(self, task: str) -> list[Request]:
        return [request for request in self.requests if request.task == task]

    def note(
        self, conversation: Conversation, status: int, input_tokens: int = 0, output_tokens: int = 0
    ) -> None:
        last = next((text for who, text in reversed(conversation.turns) if who == "user"), "")
        # What an agent asks beside, such as a title for its session, it does not put on the bill.
        request = (
            time.time(),
            conversation.task if conversation.has_shell else "",
            len(conversation.turns),
            last,
            status,
            input_tokens,
            output_tokens,
        )
        with self._lock:
            self.requests.append(Request(*request))

    def meet_limit(self) -> Limit | None:
        """Count a request, and return the limit that it meets."""
        with self._lock:
            while self.limits and 0 < self.limits[0].until <= time.time():
                del self.limits[0]
                self._seen = 0
            self._seen += 1
            limit = self.limits[0] if self.limits else None
            if not limit or self._seen < limit.after:
                return None
            limit.until = limit.until or time.time() + limit.seconds
            return limit

    def takes(self, conversation: Conversation, word: str) -> str:
        """Return what the script tells of a fault, if it is still to happen."""
        told = " ".join(conversation.told(word)).split()
        times = int(told[-1]) if len(told) == (2 if word == "status" else 1) else -1
        with self._lock:
            key = (conversation.task, word)
            self._times[key] = self._times.get(key, 0) + 1
            is_due = conversation.told(word) and (times < 0 or self._times[key] <= times)
        return (told or ["always"])[0] if is_due else ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """An agent that was stopped has left."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def send(self, status: int, answer: Json, headers: Mapping[str, object] = {}) -> None:
        text = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {
            "content-type": "application/json",
            "content-length": len(text),
            **headers,
        }.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(text if self.command != "HEAD" else b"")

    def do_HEAD(self) -> None:
        self.send(200, {})

    def do_GET(self) -> None:
        self.send(426 if self.headers.get("upgrade") else 200, {"object": "list", "data": [], "models": []})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        path = self.path.split("?")[0]
        for end, read, speak in _PROTOCOLS:
            if path.endswith(end):
                self.answer(body, read(body), end, speak)
                return
        self.send(200, {"input_tokens": 10, "totalTokens": 10})

    def answer(self, body: Json, conversation: Conversation, api: str, speak: Speak) -> None:
        limit = self.service.meet_limit()
        status = 429 if limit else int(self.service.takes(conversation, "status") or 200)
        if status != 200:
            self.service.note(conversation, status)
            self.send(status, *_refuse(api, status, limit))
            return
        is_stream = body.get("stream") or "stream" in api
        if is_stream:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            self.close_connection = True
        if self.service.takes(conversation, "hang"):
            self.service.note(conversation, 0)
            self.service.over.wait()
            return
        command = conversation.command
        call = None if command is None else conversation.call(command)
        answer = Answer(
            "I have done it." if call is None else "I will now work.",
            call,
            100 + 10 * len(conversation.turns),
        )
        self.service.note(conversation, 200, answer.charged, OUTPUT)
        events = list(speak(answer))
        if not is_stream:
            self.send(200, events[-1])
        for event in events if is_stream else ():
            name = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())


def _refuse(api: str, status: int, limit: Limit | None) -> tuple[Json, Json]:
    """Return body and headers of an answer that is an error."""
    until = int(limit.until) + 1 if limit and limit.is_told else 0
    reason, text = _REASONS.get(status, "api_error"), f"The service has answered {status}."
    if "enerateContent" in api:
        quota = {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaId": "RequestsPerDay"}],
        }
        name = "RESOURCE_EXHAUSTED" if status == 429 else "UNKNOWN"
        return {
            "error": {"code": status, "message": text, "status": name, "details": [quota] if limit else []}
        }, {}
    if api == "/messages":
        error = {"type": "error", "error": {"type": reason, "message": text}}
        name = "anthropic-ratelimit-unified"
        told = {
            f"{name}-status": "rejected",
            f"{name}-reset": until,
            f"{name}-representative-claim": "five_hour",
        }
        return error, told if until else {}
    if limit:
        told = {"type": "usage_limit_reached", "message": text, "plan_type": "plus", "resets_at": until}
        name = "x-codex-primary"
        window = {f"{name}-used-percent": 100, f"{name}-window-minutes": 300, f"{name}-reset-at": until}
        return ({"error": told}, window) if until else ({"error": {**told, "resets_at": None}}, {})
    return {"error": {"type": reason, "message": text, "code": reason}}, {}


def _read_messages(body: Json) -> Conversation:
    talk = Conversation(
        tools={tool["name"]: tool.get("input_schema", {}) for tool in body.get("tools") or []}
    )
    for message in body["messages"]:
        content = message["content"]
        for part in content if isinstance(content, list) else [{"type": "text", "text": content}]:
            if part["type"] in ("text", "tool_result"):
                who = (
                    "tool" if part["type"] == "tool_result" else message["role"].replace("assistant", "model")
                )
                talk.add(who, _flat(part))
    return talk


def _speak_messages(answer: Answer) -> Iterator[Json]:
    usage = {
        "input_tokens": answer.charged - CACHED,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": CACHED,
    }
    message = {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "stop_sequence": None,
    }
    yield {
        "type": "message_start",
        "message": {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}},
    }
    blocks: list[Json] = [{"type": "text", "text": answer.text}]
    yield from _block(0, {**blocks[0], "text": ""}, {"type": "text_delta", "text": answer.text})
    if answer.call:
        name, arguments = answer.call
        blocks.append({"type": "tool_use", "id": f"toolu_{answer.id}", "name": name, "input": arguments})
        yield from _block(
            1, {**blocks[1], "input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
        )
    reason = "tool_use" if answer.call else "end_turn"
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": {"output_tokens": OUTPUT},
    }
    whole = {**message, "content": blocks, "stop_reason": reason, "usage": {**usage, "output_tokens": OUTPUT}}
    yield {**whole, "type": "message_stop"}


def _block(index: int, start: Json, delta: Json) -> Iterator[Json]:
    yield {"type": "content_block_start", "index": index, "content_block": start}
    yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _read_responses(body: Json) -> Conversation:
    talk = Conversation(
        tools={tool.get("name", ""): tool.get("parameters", {}) for tool in body.get("tools") or []}
    )
    for item in body["input"]:
        if item.get("type", "message") == "message":
            talk.add(
                {"user": "user", "assistant": "model"}.get(item["role"], "system"), _flat(item["content"])
            )
        elif item["type"].endswith("_output"):
            talk.add("tool", _flat(item["output"]))
    return talk


def _speak_responses(answer: Answer) -> Iterator[Json]:
    said = {"type": "output_text", "text": answer.text, "annotations": []}
    items: list[Json] = [
        {"type": "message", "id": f"msg_{answer.id}", "role": "assistant", "content": [said]}
    ]
    if answer.call:
        call = {
            "call_id": f"call_{answer.id}",
            "name": answer.call[0],
            "arguments": json.dumps(answer.call[1]),
        }
        items.append({"type": "function_call", "id": f"fc_{answer.id}", **call})
    tokens = {
        "input_tokens": answer.charged,
        "output_tokens": OUTPUT,
        "total_tokens": answer.charged + OUTPUT,
    }
    usage = {
        **tokens,
        "input_tokens_details": {"cached_tokens": CACHED},
        "output_tokens_details": {"reasoning_tokens": 5},
    }
    response = {
        "id": f"resp_{answer.id}",
        "object": "response",
        "created_at": int(time.time()),
        "model": "stand-in",
    }
    yield {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}}
    for number, item in enumerate(items):
        yield {"type": "response.output_item.added", "output_index": number, "item": item}
        yield {"type": "response.output_item.done", "output_index": number, "item": item}
    yield {
        "type": "response.completed",
        "response": {**response, "status": "completed", "output": items, "usage": usage},
    }


def _read_chat(body: Json) -> Conversation:
    functions = [tool["function"] for tool in body.get("tools") or []]
    talk = Conversation(tools={function["name"]: function.get("parameters", {}) for function in functions})
    for message in body["messages"]:
        talk.add(message["role"].replace("assistant", "model"), _flat(message["content"]))
    return talk


def _speak_chat(answer: Answer) -> Iterator[Json]:
    chunk: Json = {
        "id": answer.id,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": "stand-in",
    }
    delta: Json = {"role": "assistant", "content": answer.text}
    if answer.call:
        function = {"name": answer.call[0], "arguments": json.dumps(answer.call[1])}
        delta["tool_calls"] = [
            {"index": 0, "id": f"call_{answer.id}", "type": "function", "function": function}
        ]
    yield {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    reason = "tool_calls" if answer.call else "stop"
    yield {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    tokens = {
        "prompt_tokens": answer.charged,
        "completion_tokens": OUTPUT,
        "total_tokens": answer.charged + OUTPUT,
    }
    yield {**chunk, "choices": [], "usage": {**tokens, "prompt_tokens_details": {"cached_tokens": CACHED}}}


def _read_contents(body: Json) -> Conversation:
    functions = [
        function for tool in body.get("tools") or [] for function in tool.get("functionDeclarations", [])
    ]
    talk = Conversation(
        tools={
            each["name"]: each.get("parametersJsonSchema") or each.get("parameters", {}) for each in functions
        }
    )
    for content in body["contents"]:
        for part in content["parts"]:
            who = "tool" if "functionResponse" in part else content.get("role", "user")
            talk.add(who, _flat(part))
    return talk


def _speak_contents(answer: Answer) -> Iterator[Json]:
    parts: list[Json] = [{"text": answer.text}]
    if answer.call:
        call = {"name": answer.call[0], "args": answer.call[1]}
        parts.append({"functionCall": call, "thoughtSignature": "c3R1Yg=="})
    tokens = {
        "promptTokenCount": answer.charged,
        "candidatesTokenCount": OUTPUT,
        "cachedContentTokenCount": CACHED,
    }
    candidate = {"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
    yield {"candidates": [candidate], "usageMetadata": {**tokens, "totalTokenCount": answer.charged + OUTPUT}}


_PROTOCOLS: Sequence[tuple[str, Callable[[Json], Conversation], Speak]] = (
    ("/messages", _read_messages, _speak_messages),
    ("/responses", _read_responses, _speak_responses),
    ("/chat/completions", _read_chat, _speak_chat),
    (":generateContent", _read_contents, _speak_contents),
    (":streamGenerateContent", _read_contents, _speak_contents),
)
