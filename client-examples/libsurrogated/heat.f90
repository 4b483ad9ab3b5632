! SPDX-License-Identifier: Apache-2.0
! A bar that cools at its ends and is heated by a reaction inside, whose rate is too expensive to be
! computed in each cell at each step: a surrogate model gives it, rate = f(temperature, fuel).
!
!   heat MODEL              solves by the surrogate, and says how sure the rates were
!   heat --rows N           prints N rows of the expensive rate, to train the model on
!
! The model is where SURROGATED_SERVER says, on a server or in a file (file:/path/of/it). Under mpirun
! each process has a part of the bar (halo_mpi.f90; without MPI halo_alone.f90).
! Exit status: 0 done, 1 the surrogate failed, 2 wrong usage.
program heat
  use, intrinsic :: iso_fortran_env, only: error_unit, int64, real64
  use halo
  use surrogated
  implicit none
  integer, parameter :: n_cells = 64, n_steps = 40, n_substeps = 10
  real(real64), parameter :: width = 1.0_real64 / n_cells, step = 2.0e-4_real64
  character(len=128) :: word
  integer :: count

  call halo_begin()
  call get_command_argument(1, word)
  if (command_argument_count() == 2 .and. word == "--rows") then
    call get_command_argument(2, word)
    read (word, *) count
    call print_rows(count)
  else if (command_argument_count() == 1) then
    call cool(trim(word))
  else
    write (error_unit, "(a)") "usage: heat MODEL | heat --rows N"
    call halo_stop(2)
  end if
  call halo_end()

contains

  ! What takes an hour in earnest: Arrhenius' law.
  elemental function expensive_rate(temperature, fuel) result(rate)
    real(real64), intent(in) :: temperature, fuel
    real(real64) :: rate
    rate = 4.0_real64 * fuel * exp(-2.0_real64 / (temperature + 0.5_real64))
  end function expensive_rate

  subroutine print_rows(n)
    integer, intent(in) :: n
    real(real64) :: temperature, fuel
    integer :: i
    print "(a)", "temperature,fuel,rate"
    do i = 1, n ! along a line that fills the square evenly
      temperature = 1.6_real64 * modulo(i * 0.7548776662466927_real64, 1.0_real64)
      fuel = 1.1_real64 * modulo(i * 0.5698402909980532_real64, 1.0_real64)
      print "(2(es24.16e3, ','), es24.16e3)", temperature, fuel, expensive_rate(temperature, fuel)
    end do
  end subroutine print_rows

  subroutine cool(model)
    character(len=*), intent(in) :: model
    type(surr_handle) :: surrogate
    real(real64), allocatable :: temperature(:), fuel(:), x(:, :), rate(:, :), std(:, :)
    real(real64) :: largest_std
    integer(int64) :: n_outside, n_outside_now
    integer :: i, n, stat

    n = n_cells / halo_size() ! of this process
    allocate (temperature(n), fuel(n), x(n, 2), rate(n, 1), std(n, 1))
    temperature = 1.0_real64
    fuel = 1.0_real64
    largest_std = 0.0_real64
    n_outside = 0
    call surr_open(surrogate, model=model, stat=stat)
    do i = 1, n_steps
      if (stat /= SURR_OK) exit
      x(:, 1) = temperature
      x(:, 2) = fuel
      call surr_predict(surrogate, x, rate, std, n_extrapolated=n_outside_now, stat=stat)
      if (stat /= SURR_OK) exit
      n_outside = n_outside + n_outside_now
      largest_std = max(largest_std, maxval(std))
      call advance(temperature, fuel, rate(:, 1))
    end do
    if (stat /= SURR_OK) then
      write (error_unit, "(2a)") "heat: ", surr_error(surrogate)
      call halo_stop(1)
    end if
    call surr_close(surrogate)
    call report(temperature, largest_std, n_outside)
  end subroutine cool

  ! Diffusion in small steps, under rates that stay the same meanwhile.
  subroutine advance(temperature, fuel, rate)
    real(real64), intent(inout) :: temperature(:), fuel(:)
    real(real64), intent(in) :: rate(:)
    real(real64) :: padded(0:size(temperature) + 1)
    integer :: i, n
    n = size(temperature)
    do i = 1, n_substeps
      padded(1:n) = temperature
      call halo_exchange(padded)
      temperature = temperature + step * (0.3_real64 * (padded(0:n - 1) - 2.0_real64 * padded(1:n) &
          + padded(2:)) / width**2 + rate)
      fuel = max(fuel - step * rate, 0.0_real64)
    end do
  end subroutine advance

  subroutine report(temperature, largest_std, n_outside)
    real(real64), intent(in) :: temperature(:), largest_std
    integer(int64), intent(in) :: n_outside
    real(real64) :: mean, highest, std, outside
    mean = halo_sum(sum(temperature)) / n_cells
    highest = halo_max(maxval(temperature))
    std = halo_max(largest_std)
    outside = halo_sum(real(n_outside, real64))
    if (halo_rank() == 0) then
      print "(a, f6.4, a, f6.4)", "temperature: mean ", mean, ", highest ", highest
      print "(a, es7.1, a, i0)", "rates: largest std ", std, ", outside of the training range: ", nint(outside)
    end if
  end subroutine report

end program heat
