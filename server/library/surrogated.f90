! SPDX-License-Identifier: Apache-2.0
! libsurrogated for Fortran 2008: surrogated.h says what each function does.
!
!   type(surr_handle) :: heat
!   real(real64) :: x(100, 2), mean(100, 1), std(100, 1)
!   integer :: stat
!   call surr_open(heat, "file:heat.srgm", stat=stat)
!   call surr_predict(heat, x, mean, std, stat=stat)
!   if (stat /= SURR_OK) print *, surr_error(heat)
!   call surr_close(heat)
!
! Arrays have a row for each prediction: x(row, input), mean(row, output), jacobian(row, output, input).
! With by_column=.true. they have a column for each: x(input, row), mean(output, row),
! jacobian(input, output, row). They are real64 or real32, and all of one kind.
!
! Inputs that are categories may have words: words(row, k) of the input word_columns(k), counted from
! 1, without the blanks at its end. What x has there is not looked at:
!
!   character(len=6) :: mesh(100, 1)
!   call surr_predict(heat, x, mean, words=mesh, word_columns=[2], stat=stat)
module surrogated
  use, intrinsic :: iso_c_binding
  use, intrinsic :: iso_fortran_env, only: int64, real32, real64
  implicit none
  private

  public :: surr_open, surr_close, surr_error, surr_code_text, surr_set, surr_shape
  public :: surr_predict, surr_append, surr_train, surr_wait

  ! enum surr_code
  integer, parameter, public :: SURR_OK = 0, SURR_INVALID = 1, SURR_NOMEM = 2, SURR_FILE = 3, &
      SURR_UNREACHABLE = 4, SURR_TIMEOUT = 5, SURR_DENIED = 6, SURR_NOT_FOUND = 7, SURR_REFUSED = 8, &
      SURR_BUSY = 9, SURR_SERVER = 10, SURR_NUMERIC = 11, SURR_UNSUPPORTED = 12, &
      SURR_JOB_FAILED = 13

  type, public :: surr_handle
    private
    type(c_ptr) :: c = c_null_ptr
  end type surr_handle

  type, public, bind(c) :: surr_receipt
    integer(c_int64_t) :: batch = 0
    integer(c_int64_t) :: n_rows = 0
    integer(c_int64_t) :: n_total_rows = 0
    integer(c_int) :: repeated = 0
  end type surr_receipt

  type, public :: surr_job
    integer(int64) :: id = 0
    integer(int64) :: version = 0 ! that it made; 0: none
    logical :: promoted = .false.
    character(len=16) :: state = ""
  end type surr_job

  integer(c_int), parameter :: REAL64_OF_C = 0, REAL32_OF_C = 1
  integer(c_int), parameter :: ROW_MAJOR = 0, COLUMN_MAJOR = 1

  type, bind(c) :: c_rows
    type(c_ptr) :: values = c_null_ptr
    integer(c_int) :: n_rows = 0
    integer(c_int) :: n_columns = 0
    integer(c_int) :: type = REAL64_OF_C
    integer(c_int) :: order = COLUMN_MAJOR
    type(c_ptr) :: words = c_null_ptr
    integer(c_int) :: n_words = 0
  end type c_rows

  type, bind(c) :: c_words
    integer(c_int) :: column = -1
    type(c_ptr) :: words = c_null_ptr
  end type c_words

  ! Words as C has them, and what they point to.
  type :: held_words
    type(c_words), allocatable :: columns(:)
    type(c_ptr), allocatable :: at(:, :) ! [rows, columns]
    character(kind=c_char), allocatable :: text(:) ! all of them, each with its end
  end type held_words

  type, bind(c) :: c_prediction
    integer(c_int) :: n_outputs = 0
    type(c_ptr) :: mean = c_null_ptr
    type(c_ptr) :: std = c_null_ptr
    type(c_ptr) :: variance = c_null_ptr
    type(c_ptr) :: jacobian = c_null_ptr
    type(c_ptr) :: jacobian_std = c_null_ptr
    integer(c_int64_t) :: version = 0
    integer(c_int64_t) :: n_extrapolated = 0
  end type c_prediction

  type, bind(c) :: c_upload
    type(c_rows) :: inputs
    type(c_rows) :: outputs
    type(c_ptr) :: key = c_null_ptr
    integer(c_int) :: missing = 0
  end type c_upload

  type, bind(c) :: c_job
    integer(c_int64_t) :: id = 0
    integer(c_int64_t) :: version = 0
    integer(c_int) :: promoted = 0
    character(kind=c_char) :: state(16) = c_null_char
  end type c_job

  interface
    function c_open(out, where, model) bind(c, name="surr_open")
      import :: c_ptr, c_int
      type(c_ptr), intent(out) :: out
      type(c_ptr), value :: where, model
      integer(c_int) :: c_open
    end function c_open
    subroutine c_close(s) bind(c, name="surr_close")
      import :: c_ptr
      type(c_ptr), value :: s
    end subroutine c_close
    function c_error(s) bind(c, name="surr_error")
      import :: c_ptr
      type(c_ptr), value :: s
      type(c_ptr) :: c_error
    end function c_error
    function c_code_text(code) bind(c, name="surr_code_text")
      import :: c_ptr, c_int
      integer(c_int), value :: code
      type(c_ptr) :: c_code_text
    end function c_code_text
    function c_set(s, name, value) bind(c, name="surr_set")
      import :: c_ptr, c_int
      type(c_ptr), value :: s, name, value
      integer(c_int) :: c_set
    end function c_set
    function c_shape(s, n_inputs, n_outputs) bind(c, name="surr_shape")
      import :: c_ptr, c_int
      type(c_ptr), value :: s
      integer(c_int), intent(out) :: n_inputs, n_outputs
      integer(c_int) :: c_shape
    end function c_shape
    function c_predict(s, inputs, out) bind(c, name="surr_predict")
      import :: c_ptr, c_int, c_rows, c_prediction
      type(c_ptr), value :: s
      type(c_rows), intent(in) :: inputs
      type(c_prediction), intent(inout) :: out
      integer(c_int) :: c_predict
    end function c_predict
    function c_append(s, upload, out) bind(c, name="surr_append")
      import :: c_ptr, c_int, c_upload, surr_receipt
      type(c_ptr), value :: s
      type(c_upload), intent(in) :: upload
      type(surr_receipt), intent(inout) :: out
      integer(c_int) :: c_append
    end function c_append
    function c_train(s, request, job) bind(c, name="surr_train")
      import :: c_ptr, c_int, c_int64_t
      type(c_ptr), value :: s, request
      integer(c_int64_t), intent(inout) :: job
      integer(c_int) :: c_train
    end function c_train
    function c_wait(s, job, seconds, out) bind(c, name="surr_wait")
      import :: c_ptr, c_int, c_int64_t, c_double, c_job
      type(c_ptr), value :: s
      integer(c_int64_t), value :: job
      real(c_double), value :: seconds
      type(c_job), intent(inout) :: out
      integer(c_int) :: c_wait
    end function c_wait
    function c_strlen(text) bind(c, name="strlen")
      import :: c_ptr, c_size_t
      type(c_ptr), value :: text
      integer(c_size_t) :: c_strlen
    end function c_strlen
  end interface

  interface surr_predict
    module procedure predict_64, predict_32
  end interface surr_predict

  interface surr_append
    module procedure append_64, append_32
  end interface surr_append

contains

  ! ---- texts ----

  ! A text for C, without the blanks at its end; it must live as long as its address is used.
  subroutine to_c(text, copy)
    character(len=*), intent(in), optional :: text
    character(kind=c_char), allocatable, intent(out) :: copy(:)
    integer :: i
    if (.not. present(text)) then
      allocate (copy(0))
      return
    end if
    allocate (copy(len_trim(text) + 1))
    do i = 1, len_trim(text)
      copy(i) = text(i:i)
    end do
    copy(size(copy)) = c_null_char
  end subroutine to_c

  ! NULL for a text that was not given.
  function address(text) result(at)
    character(kind=c_char), intent(in), target :: text(:)
    type(c_ptr) :: at
    at = c_null_ptr
    if (size(text) > 0) at = c_loc(text(1))
  end function address

  function from_c(at) result(text)
    type(c_ptr), intent(in) :: at
    character(len=:), allocatable :: text
    character(kind=c_char), pointer :: characters(:)
    integer :: i, n
    n = int(c_strlen(at))
    call c_f_pointer(at, characters, [n])
    allocate (character(len=n) :: text)
    do i = 1, n
      text(i:i) = characters(i)
    end do
  end function from_c

  ! ---- the handle ----

  ! where and model as surr_open of C has them; an absent one is NULL there.
  subroutine surr_open(s, where, model, stat)
    type(surr_handle), intent(inout) :: s
    character(len=*), intent(in), optional :: where, model
    integer, intent(out) :: stat
    character(kind=c_char), allocatable, target :: c_where(:), c_model(:)
    call surr_close(s)
    call to_c(where, c_where)
    call to_c(model, c_model)
    stat = int(c_open(s%c, address(c_where), address(c_model)))
  end subroutine surr_open

  subroutine surr_close(s)
    type(surr_handle), intent(inout) :: s
    call c_close(s%c)
    s%c = c_null_ptr
  end subroutine surr_close

  function surr_error(s) result(text)
    type(surr_handle), intent(in) :: s
    character(len=:), allocatable :: text
    text = from_c(c_error(s%c))
  end function surr_error

  function surr_code_text(code) result(text)
    integer, intent(in) :: code
    character(len=:), allocatable :: text
    text = from_c(c_code_text(int(code, c_int)))
  end function surr_code_text

  ! Without a value: the default again.
  subroutine surr_set(s, name, value, stat)
    type(surr_handle), intent(in) :: s
    character(len=*), intent(in) :: name
    character(len=*), intent(in), optional :: value
    integer, intent(out) :: stat
    character(kind=c_char), allocatable, target :: c_name(:), c_value(:)
    call to_c(name, c_name)
    call to_c(value, c_value)
    stat = int(c_set(s%c, address(c_name), address(c_value)))
  end subroutine surr_set

  subroutine surr_shape(s, n_inputs, n_outputs, stat)
    type(surr_handle), intent(in) :: s
    integer, intent(out) :: n_inputs, n_outputs, stat
    integer(c_int) :: d, o
    d = 0
    o = 0
    stat = int(c_shape(s%c, d, o))
    n_inputs = int(d)
    n_outputs = int(o)
  end subroutine surr_shape

  ! ---- predictions ----

  ! Rows and columns of an array of this shape, as C counts them.
  function described(values, sizes, kind_of_c, by_column) result(rows)
    type(c_ptr), intent(in) :: values
    integer, intent(in) :: sizes(2)
    integer(c_int), intent(in) :: kind_of_c
    logical, intent(in), optional :: by_column
    type(c_rows) :: rows
    logical :: columns
    columns = .false.
    if (present(by_column)) columns = by_column
    rows%values = values
    rows%type = kind_of_c
    rows%order = merge(ROW_MAJOR, COLUMN_MAJOR, columns)
    rows%n_rows = int(merge(sizes(2), sizes(1), columns), c_int)
    rows%n_columns = int(merge(sizes(1), sizes(2), columns), c_int)
  end function described

  ! Gives the rows their words, which must live as long as they are used. Words that are not for all
  ! rows, or not for as many columns as there are, are left out, which C refuses.
  subroutine attach(words, columns, rows, held)
    character(len=*), intent(in), optional :: words(:, :)
    integer, intent(in), optional :: columns(:)
    type(c_rows), intent(inout) :: rows
    type(held_words), intent(out), target :: held
    integer :: i, k, n
    if (.not. (present(words) .or. present(columns))) return
    n = 1
    if (present(columns)) n = max(n, size(columns))
    allocate (held%columns(n))
    rows%words = c_loc(held%columns(1))
    rows%n_words = int(n, c_int)
    if (.not. (present(words) .and. present(columns))) return
    if (size(words, 1) /= rows%n_rows .or. size(words, 2) /= size(columns) .or. size(words) == 0) return
    allocate (held%at(size(words, 1), n), held%text((len(words) + 1) * size(words)))
    do k = 1, n
      do i = 1, size(words, 1)
        call put_word(words(i, k), ((k - 1) * size(words, 1) + i - 1) * (len(words) + 1) + 1, held, i, k)
      end do
      held%columns(k)%column = int(columns(k) - 1, c_int)
      held%columns(k)%words = c_loc(held%at(1, k))
    end do
  end subroutine attach

  subroutine put_word(word, first, held, i, k)
    character(len=*), intent(in) :: word
    integer, intent(in) :: first, i, k
    type(held_words), intent(inout), target :: held
    integer :: at
    do at = 1, len_trim(word)
      held%text(first + at - 1) = word(at:at)
    end do
    held%text(first + len_trim(word)) = c_null_char
    held%at(i, k) = c_loc(held%text(first))
  end subroutine put_word

  ! Takes the number of outputs from the shape of a result, or makes it -1, which C refuses, when
  ! the shape does not go with the inputs or with the results before.
  subroutine fit(rows, sizes, answer)
    type(c_rows), intent(in) :: rows
    integer, intent(in) :: sizes(:)
    type(c_prediction), intent(inout) :: answer
    integer :: n, o, d
    logical :: columns
    columns = rows%order == ROW_MAJOR
    n = merge(sizes(size(sizes)), sizes(1), columns)
    o = sizes(2)
    if (columns .and. size(sizes) == 2) o = sizes(1)
    d = int(rows%n_columns)
    if (size(sizes) == 3) d = merge(sizes(1), sizes(3), columns)
    if (n /= rows%n_rows .or. d /= rows%n_columns .or. &
        (answer%n_outputs /= 0 .and. answer%n_outputs /= o)) then
      answer%n_outputs = -1
    else
      answer%n_outputs = int(o, c_int)
    end if
  end subroutine fit

  subroutine finish(s, rows, answer, version, n_extrapolated, stat)
    type(surr_handle), intent(in) :: s
    type(c_rows), intent(in) :: rows
    type(c_prediction), intent(inout) :: answer
    integer(int64), intent(out), optional :: version, n_extrapolated
    integer, intent(out) :: stat
    stat = int(c_predict(s%c, rows, answer))
    if (present(version)) version = answer%version
    if (present(n_extrapolated)) n_extrapolated = answer%n_extrapolated
  end subroutine finish

  subroutine predict_64(s, x, mean, std, variance, jacobian, jacobian_std, by_column, version, &
                        n_extrapolated, words, word_columns, stat)
    type(surr_handle), intent(in) :: s
    real(real64), intent(in), contiguous, target :: x(:, :)
    real(real64), intent(inout), contiguous, target, optional :: mean(:, :), std(:, :), variance(:, :)
    real(real64), intent(inout), contiguous, target, optional :: jacobian(:, :, :), jacobian_std(:, :, :)
    logical, intent(in), optional :: by_column
    integer(int64), intent(out), optional :: version, n_extrapolated
    character(len=*), intent(in), optional :: words(:, :)
    integer, intent(in), optional :: word_columns(:)
    integer, intent(out) :: stat
    type(c_rows) :: rows
    type(c_prediction) :: answer
    type(held_words), target :: held
    rows = described(at_64(x), shape(x), REAL64_OF_C, by_column)
    call attach(words, word_columns, rows, held)
    if (present(mean)) then
      answer%mean = at_64(mean)
      call fit(rows, shape(mean), answer)
    end if
    if (present(std)) then
      answer%std = at_64(std)
      call fit(rows, shape(std), answer)
    end if
    if (present(variance)) then
      answer%variance = at_64(variance)
      call fit(rows, shape(variance), answer)
    end if
    if (present(jacobian)) then
      if (size(jacobian) > 0) answer%jacobian = c_loc(jacobian)
      call fit(rows, shape(jacobian), answer)
    end if
    if (present(jacobian_std)) then
      if (size(jacobian_std) > 0) answer%jacobian_std = c_loc(jacobian_std)
      call fit(rows, shape(jacobian_std), answer)
    end if
    call finish(s, rows, answer, version, n_extrapolated, stat)
  end subroutine predict_64

  subroutine predict_32(s, x, mean, std, variance, jacobian, jacobian_std, by_column, version, &
                        n_extrapolated, words, word_columns, stat)
    type(surr_handle), intent(in) :: s
    real(real32), intent(in), contiguous, target :: x(:, :)
    real(real32), intent(inout), contiguous, target, optional :: mean(:, :), std(:, :), variance(:, :)
    real(real32), intent(inout), contiguous, target, optional :: jacobian(:, :, :), jacobian_std(:, :, :)
    logical, intent(in), optional :: by_column
    integer(int64), intent(out), optional :: version, n_extrapolated
    character(len=*), intent(in), optional :: words(:, :)
    integer, intent(in), optional :: word_columns(:)
    integer, intent(out) :: stat
    type(c_rows) :: rows
    type(c_prediction) :: answer
    type(held_words), target :: held
    rows = described(at_32(x), shape(x), REAL32_OF_C, by_column)
    call attach(words, word_columns, rows, held)
    if (present(mean)) then
      answer%mean = at_32(mean)
      call fit(rows, shape(mean), answer)
    end if
    if (present(std)) then
      answer%std = at_32(std)
      call fit(rows, shape(std), answer)
    end if
    if (present(variance)) then
      answer%variance = at_32(variance)
      call fit(rows, shape(variance), answer)
    end if
    if (present(jacobian)) then
      if (size(jacobian) > 0) answer%jacobian = c_loc(jacobian)
      call fit(rows, shape(jacobian), answer)
    end if
    if (present(jacobian_std)) then
      if (size(jacobian_std) > 0) answer%jacobian_std = c_loc(jacobian_std)
      call fit(rows, shape(jacobian_std), answer)
    end if
    call finish(s, rows, answer, version, n_extrapolated, stat)
  end subroutine predict_32

  ! The address of an array that may be empty.
  function at_64(values) result(at)
    real(real64), intent(in), contiguous, target :: values(:, :)
    type(c_ptr) :: at
    at = c_null_ptr
    if (size(values) > 0) at = c_loc(values)
  end function at_64

  function at_32(values) result(at)
    real(real32), intent(in), contiguous, target :: values(:, :)
    type(c_ptr) :: at
    at = c_null_ptr
    if (size(values) > 0) at = c_loc(values)
  end function at_32

  ! ---- rows and jobs ----

  subroutine append_64(s, x, y, key, missing, by_column, receipt, words, word_columns, stat)
    type(surr_handle), intent(in) :: s
    real(real64), intent(in), contiguous, target :: x(:, :), y(:, :)
    character(len=*), intent(in), optional :: key
    logical, intent(in), optional :: missing, by_column
    type(surr_receipt), intent(out), optional :: receipt
    character(len=*), intent(in), optional :: words(:, :)
    integer, intent(in), optional :: word_columns(:)
    integer, intent(out) :: stat
    call append(s, described(at_64(x), shape(x), REAL64_OF_C, by_column), &
                described(at_64(y), shape(y), REAL64_OF_C, by_column), key, missing, receipt, words, word_columns, stat)
  end subroutine append_64

  subroutine append_32(s, x, y, key, missing, by_column, receipt, words, word_columns, stat)
    type(surr_handle), intent(in) :: s
    real(real32), intent(in), contiguous, target :: x(:, :), y(:, :)
    character(len=*), intent(in), optional :: key
    logical, intent(in), optional :: missing, by_column
    type(surr_receipt), intent(out), optional :: receipt
    character(len=*), intent(in), optional :: words(:, :)
    integer, intent(in), optional :: word_columns(:)
    integer, intent(out) :: stat
    call append(s, described(at_32(x), shape(x), REAL32_OF_C, by_column), &
                described(at_32(y), shape(y), REAL32_OF_C, by_column), key, missing, receipt, words, word_columns, stat)
  end subroutine append_32

  subroutine append(s, inputs, outputs, key, missing, receipt, words, word_columns, stat)
    type(surr_handle), intent(in) :: s
    type(c_rows), intent(in) :: inputs, outputs
    character(len=*), intent(in), optional :: key
    logical, intent(in), optional :: missing
    type(surr_receipt), intent(out), optional :: receipt
    character(len=*), intent(in), optional :: words(:, :)
    integer, intent(in), optional :: word_columns(:)
    integer, intent(out) :: stat
    type(c_upload) :: upload
    type(held_words), target :: held
    type(surr_receipt) :: stored
    character(kind=c_char), allocatable, target :: c_key(:)
    call to_c(key, c_key)
    upload%inputs = inputs
    call attach(words, word_columns, upload%inputs, held)
    upload%outputs = outputs
    upload%key = address(c_key)
    if (present(missing)) upload%missing = merge(1_c_int, 0_c_int, missing)
    stat = int(c_append(s%c, upload, stored))
    if (present(receipt)) receipt = stored
  end subroutine append

  ! request: JSON; without it the model is trained as before.
  subroutine surr_train(s, request, job, stat)
    type(surr_handle), intent(in) :: s
    character(len=*), intent(in), optional :: request
    integer(int64), intent(out) :: job
    integer, intent(out) :: stat
    integer(c_int64_t) :: id
    character(kind=c_char), allocatable, target :: c_request(:)
    id = 0
    call to_c(request, c_request)
    stat = int(c_train(s%c, address(c_request), id))
    job = id
  end subroutine surr_train

  ! seconds: at most so long; without it as long as it takes.
  subroutine surr_wait(s, id, seconds, job, stat)
    type(surr_handle), intent(in) :: s
    integer(int64), intent(in) :: id
    real(real64), intent(in), optional :: seconds
    type(surr_job), intent(out), optional :: job
    integer, intent(out) :: stat
    type(c_job) :: state
    real(c_double) :: limit
    integer :: i
    limit = -1.0_c_double
    if (present(seconds)) limit = real(max(seconds, 0.0_real64), c_double)
    stat = int(c_wait(s%c, int(id, c_int64_t), limit, state))
    if (present(job)) then
      job%id = state%id
      job%version = state%version
      job%promoted = state%promoted /= 0
      do i = 1, size(state%state)
        if (state%state(i) == c_null_char) exit
        job%state(i:i) = state%state(i)
      end do
    end if
  end subroutine surr_wait

end module surrogated
