/* SPDX-License-Identifier: MIT */
/* The translations of status codes, and the error value that carries them. */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cordbg/com/error.h"
#include "cordbg/com/hresult.h"
#include "cordbg/com/utf16.h"

static void
success_is_success_in_every_direction(void **state)
{
  (void)state;
  assert_int_equal(cordbg_win32_from_errno(0), ERROR_SUCCESS);
  assert_int_equal(cordbg_hresult_from_errno(0), S_OK);
  assert_int_equal(cordbg_errno_from_win32(ERROR_SUCCESS), 0);
  assert_int_equal(cordbg_win32_from_hresult(S_OK), ERROR_SUCCESS);
  assert_int_equal(cordbg_win32_from_hresult(CLDB_S_TRUNCATION), ERROR_SUCCESS);
  assert_int_equal(cordbg_errno_from_hresult(S_FALSE), 0);
}

static void
every_errno_is_a_failure_and_keeps_its_meaning_there_and_back(void **state)
{
  (void)state;
  for (int sys = 1; sys <= 200; sys++) {
    DWORD error = cordbg_win32_from_errno(sys);
    assert_int_not_equal(error, ERROR_SUCCESS);
    HRESULT hr = cordbg_hresult_from_errno(sys);
    assert_true(FAILED(hr));
    assert_int_equal(HRESULT_FACILITY(hr), FACILITY_WIN32);
    /* Another errno may come back, but one that stands for the same Win32 error. */
    int back = cordbg_errno_from_win32(error);
    assert_int_not_equal(back, 0);
    if (error != ERROR_GEN_FAILURE)
      assert_int_equal(cordbg_win32_from_errno(back), error);
    assert_non_null(cordbg_win32_name(error));
  }
}

static void
the_contracts_codes_are_windows_own(void **state)
{
  (void)state;
  assert_int_equal((uint32_t)HRESULT_FROM_WIN32(ERROR_PARTIAL_COPY), 0x8007012bu);
  assert_int_equal((uint32_t)HRESULT_FROM_WIN32(ERROR_READ_FAULT), 0x8007001eu);
  assert_int_equal((uint32_t)CORDBG_E_READVIRTUAL_FAILURE, 0x80131c49u);
  assert_int_equal(HRESULT_FROM_WIN32(ERROR_SUCCESS), S_OK);
  assert_int_equal(HRESULT_FROM_WIN32(E_FAIL), E_FAIL);
  assert_int_equal(HRESULT_FROM_WIN32(ERROR_ACCESS_DENIED), E_ACCESSDENIED);
  assert_int_equal(HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), E_INVALIDARG);
  assert_int_equal(ERROR_PARTIAL_COPY, 299);
  assert_int_equal(ERROR_NOACCESS, 998);
  assert_int_equal(ERROR_NOT_SUPPORTED, 50);
  assert_true(SUCCEEDED(S_FALSE));
  assert_true(FAILED(E_NOTIMPL));
}

static void
the_errnos_that_the_kernel_answers_most_are_the_documented_errors(void **state)
{
  (void)state;
  assert_int_equal(cordbg_hresult_from_errno(EPERM), E_ACCESSDENIED);
  assert_int_equal(cordbg_hresult_from_errno(EACCES), E_ACCESSDENIED);
  assert_int_equal(cordbg_hresult_from_errno(EINVAL), E_INVALIDARG);
  assert_int_equal(cordbg_hresult_from_errno(ENOMEM), E_OUTOFMEMORY);
  assert_int_equal(cordbg_win32_from_errno(EBADF), ERROR_INVALID_HANDLE);
  assert_int_equal(cordbg_win32_from_errno(EFAULT), ERROR_NOACCESS);
  assert_int_equal(cordbg_errno_from_win32(ERROR_ACCESS_DENIED), EPERM);
  assert_int_equal(cordbg_errno_from_hresult(E_OUTOFMEMORY), ENOMEM);
  assert_int_equal(cordbg_errno_from_hresult(E_NOTIMPL), ENOSYS);
  assert_int_equal(cordbg_win32_from_hresult(HRESULT_FROM_WIN32(ERROR_BUSY)), ERROR_BUSY);
  assert_int_equal(cordbg_win32_from_hresult(COR_E_EXCEPTION), ERROR_GEN_FAILURE);
}

static void
names_are_found_and_unknown_codes_have_none(void **state)
{
  (void)state;
  assert_string_equal(cordbg_hresult_name(S_OK), "S_OK");
  assert_string_equal(cordbg_hresult_name(E_NOTIMPL), "E_NOTIMPL");
  assert_string_equal(cordbg_hresult_name(CORDBG_E_OBJECT_NEUTERED), "CORDBG_E_OBJECT_NEUTERED");
  assert_string_equal(cordbg_hresult_name(CLDB_S_TRUNCATION), "CLDB_S_TRUNCATION");
  assert_string_equal(cordbg_hresult_name(HRESULT_FROM_WIN32(ERROR_PARTIAL_COPY)),
                      "ERROR_PARTIAL_COPY");
  assert_string_equal(cordbg_hresult_name(HRESULT_FROM_WIN32(ERROR_INVALID_HANDLE)), "E_HANDLE");
  assert_string_equal(cordbg_win32_name(ERROR_NOACCESS), "ERROR_NOACCESS");
  assert_null(cordbg_hresult_name((HRESULT)0x81234567u));
  assert_null(cordbg_win32_name(54321));
}

static void
an_error_is_filled_and_its_hresult_returned(void **state)
{
  (void)state;
  cordbg_error error = {0};
  errno = EXDEV;
  assert_int_equal(
      cordbg_error_set(&error, CORDBG_E_NOTREADY, EAGAIN, 0x1234, "pid %d: %s", 7, "no"),
      CORDBG_E_NOTREADY);
  assert_int_equal(errno, EXDEV);
  assert_int_equal(error.hr, CORDBG_E_NOTREADY);
  assert_int_equal(error.sys, EAGAIN);
  assert_int_equal(error.address, 0x1234);
  assert_string_equal(error.sentence, "pid 7: no");

  assert_int_equal(cordbg_error_set_errno(&error, EPERM, 0, "refused"), E_ACCESSDENIED);
  assert_int_equal(error.sys, EPERM);
  assert_int_equal(cordbg_error_set(NULL, E_FAIL, 0, 0, "nobody listens"), E_FAIL);
  assert_int_equal(cordbg_error_set_errno(NULL, ENOMEM, 0, "nobody"), E_OUTOFMEMORY);
}

static void
an_error_may_quote_itself(void **state)
{
  (void)state;
  cordbg_error error = {0};
  cordbg_error_set(&error, E_FAIL, 0, 0, "inner");
  cordbg_error_set(&error, E_FAIL, 0, 0, "outer: %s", error.sentence);
  assert_string_equal(error.sentence, "outer: inner");
}

/* Every length around the limit, with a sequence of each size across it. */
static void
a_long_sentence_is_cut_between_characters(void **state)
{
  (void)state;
  static const char *const characters[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
  cordbg_error error;
  const size_t room = sizeof(error.sentence) - 1;
  for (size_t c = 0; c < 4; c++) {
    for (size_t lead = room - 8; lead <= room + 2; lead++) {
      char text[sizeof(error.sentence) + 64];
      memset(text, 'a', lead);
      text[lead] = '\0';
      for (int i = 0; i < 8; i++)
        strcat(text, characters[c]);
      memset(&error, 0x5a, sizeof(error));
      cordbg_error_set(&error, E_FAIL, 0, 0, "%s", text);
      size_t length = strlen(error.sentence);
      assert_true(length <= room && length + 4 > room);
      assert_memory_equal(error.sentence, text, length);
      WCHAR units[sizeof(error.sentence)];
      size_t count = cordbg_utf16_from_utf8(error.sentence, length, units, sizeof(error.sentence));
      for (size_t i = 0; i < count; i++)
        assert_int_not_equal(units[i], 0xfffd);
    }
  }
}

static void *
other_thread(void *data)
{
  cordbg_error error = {0};
  *(int *)data = cordbg_error_last()->hr == S_OK;
  cordbg_error_set(&error, E_ABORT, 0, 0, "the other thread's");
  cordbg_error_remember(&error);
  return NULL;
}

static void
the_last_error_is_the_thread_s_own(void **state)
{
  (void)state;
  cordbg_error error = {0};
  assert_non_null(cordbg_error_last());
  cordbg_error_set(&error, E_FAIL, 0, 0, "this thread's");
  cordbg_error_remember(&error);
  int fresh = 0;
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, other_thread, &fresh), 0);
  pthread_join(thread, NULL);
  assert_true(fresh);
  assert_string_equal(cordbg_error_last()->sentence, "this thread's");
  cordbg_error_remember(cordbg_error_last());
  cordbg_error_remember(NULL);
  assert_int_equal(cordbg_error_last()->hr, E_FAIL);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(success_is_success_in_every_direction),
      cmocka_unit_test(every_errno_is_a_failure_and_keeps_its_meaning_there_and_back),
      cmocka_unit_test(the_contracts_codes_are_windows_own),
      cmocka_unit_test(the_errnos_that_the_kernel_answers_most_are_the_documented_errors),
      cmocka_unit_test(names_are_found_and_unknown_codes_have_none),
      cmocka_unit_test(an_error_is_filled_and_its_hresult_returned),
      cmocka_unit_test(an_error_may_quote_itself),
      cmocka_unit_test(a_long_sentence_is_cut_between_characters),
      cmocka_unit_test(the_last_error_is_the_thread_s_own),
  };
  return cmocka_run_group_tests_name("hresult", tests, NULL, NULL);
}
