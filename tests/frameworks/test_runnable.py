"""LangChain runnables as workflows."""

import pytest
from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda

from gapless.boundary.session import Session, current_session
from gapless.errors import UsageError
from gapless.frameworks.target import adapt
from gapless.trace.recorder import TrialRecorder


class Shelf(BaseRetriever):
    def _get_relevant_documents(self, query, *, run_manager):
        return [Document(f"about {query}")]


def chain():
    prompt = ChatPromptTemplate.from_messages([("user", "{query}")])
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    model = GenericFakeChatModel(messages=iter([AIMessage("hello there", usage_metadata=usage)] * 3))
    return prompt | model | StrOutputParser() | RunnableLambda(str.upper)


async def test_every_element_of_a_sequence_is_a_step():
    recorder = TrialRecorder()
    token = current_session.set(Session(recorder))
    try:
        workflow = adapt(chain())
        assert (await workflow.run({"query": "q"}, trial="t")).output == "HELLO THERE"
    finally:
        current_session.reset(token)
    events = recorder.close()
    names = ["ChatPromptTemplate", "GenericFakeChatModel", "StrOutputParser", "upper"]
    assert [event.step for event in events] == names
    assert workflow.shape.only_route() == tuple(names)
    (call,) = events[1].calls
    assert (call.kind, call.tokens_in, call.tokens_out) == ("model", 3, 2)


async def test_one_element_alone():
    workflow = adapt(chain())
    state = workflow.state_before("upper", {"query": "q"}, {"StrOutputParser": "gold"})
    assert await workflow.run_step("upper", state) == "GOLD"
    with pytest.raises(UsageError, match="golden of 'StrOutputParser'"):
        workflow.state_before("upper", {"query": "q"}, {})


async def test_another_runnable_is_one_step_and_retrievers_are_seen():
    recorder = TrialRecorder()
    token = current_session.set(Session(recorder))
    try:
        workflow = adapt(Shelf())
        assert (await workflow.run("x", trial="t")).output[0].page_content == "about x"
    finally:
        current_session.reset(token)
    (event,) = recorder.close()
    assert [(call.kind, call.name) for call in event.calls] == [("retriever", "Shelf")]
