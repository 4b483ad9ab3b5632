! SPDX-License-Identifier: Apache-2.0
! Predicts four rows whose second input is a word, once as rows and once as columns, appends them
! with an output for each, and shows what is refused.
!
! usage: words MODEL    the server is the one of SURROGATED_SERVER, or a file
program main
  use, intrinsic :: iso_fortran_env, only: int64, real32, real64
  use surrogated
  implicit none
  integer, parameter :: N = 4
  character(len=9), parameter :: mesh(N, 1) = &
      reshape([character(len=9) :: 'fine "2"', "coarse", "medium", "coarse"], [N, 1])
  type(surr_handle) :: model
  type(surr_receipt) :: receipt
  character(len=64) :: name
  real(real64) :: x(N, 2), mean(N, 2), across(2, N), y(N, 2)
  real(real32) :: small_x(N, 2), small_mean(N, 2)
  integer :: i, stat

  call get_command_argument(1, name)
  x(:, 1) = [0.125_real64, 0.5_real64, -0.75_real64, 0.25_real64]
  x(:, 2) = -1.0_real64 ! is not looked at
  small_x = real(x, real32)
  call surr_open(model, model=name, stat=stat)
  call surr_predict(model, x, mean, words=mesh, word_columns=[2], stat=stat)
  if (stat /= SURR_OK) call fail()
  call surr_predict(model, transpose(x), across, by_column=.true., words=mesh, word_columns=[2], stat=stat)
  if (stat /= SURR_OK) call fail()
  if (any(transfer(across, [1_int64]) /= transfer(transpose(mean), [1_int64]))) &
      error stop "columns differ from rows"
  call surr_predict(model, small_x, small_mean, words=mesh, word_columns=[2], stat=stat)
  if (stat /= SURR_OK) call fail()
  if (any(abs(small_mean - mean) > 1e-5_real64)) error stop "real32 differs from real64"
  do i = 1, N
    print "(2es26.17e3)", mean(i, :)
  end do

  call surr_predict(model, x, mean, words=mesh(1:N - 1, :), word_columns=[2], stat=stat)
  print "(i0, 1x, a)", stat, surr_error(model)
  call surr_predict(model, x, mean, words=mesh, word_columns=[3], stat=stat)
  print "(i0, 1x, a)", stat, surr_error(model)
  call surr_predict(model, x, mean, words=mesh, word_columns=[2, 2], stat=stat)
  print "(i0, 1x, a)", stat, surr_error(model)
  call surr_predict(model, x, mean, words=mesh, stat=stat)
  print "(i0, 1x, a)", stat, surr_error(model)

  y(:, 1) = [1.0_real64, 2.0_real64, 3.0_real64, 4.0_real64]
  y(:, 2) = -y(:, 1)
  call surr_append(model, x, y, words=mesh, word_columns=[2], receipt=receipt, stat=stat)
  print "(i0, 1x, i0)", stat, receipt%n_rows
  call surr_close(model)

contains

  subroutine fail()
    print "(a)", surr_error(model)
    error stop 1
  end subroutine fail

end program main
